//! Tells the compiler that `--cfg fuzzing` is meant: `cargo xtask fuzz` sets it.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(fuzzing)");
    println!("cargo::rerun-if-changed=build.rs");
}
