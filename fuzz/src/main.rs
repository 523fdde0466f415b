//! The `fuzz` program. In an ordinary build it writes a target's samples; built
//! with `--cfg fuzzing` it is libFuzzer around one target. `cargo xtask fuzz`
//! does both, and everything around it.
//!
//! ```text
//! fuzz list                   names of all targets, and their largest inputs
//! fuzz samples NAME FOLDER    writes the samples of a target
//! TRIBUTARY_FUZZ_TARGET=NAME fuzz ...      libFuzzer's own arguments
//! ```

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
mod engine {
    use std::sync::LazyLock;

    use libfuzzer_sys::fuzz_target;
    use tributary_fuzz::Target;

    static TARGET: LazyLock<Target> = LazyLock::new(|| {
        let name = std::env::var("TRIBUTARY_FUZZ_TARGET").unwrap_or_default();
        Target::named(&name).unwrap_or_else(|| panic!("there is no target {name:?}"))
    });

    fuzz_target!(|bytes: &[u8]| (TARGET.check)(bytes));
}

#[cfg(not(fuzzing))]
fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["list"] => {
            for target in tributary_fuzz::TARGETS {
                println!("{} {}", target.name, target.bytes_max);
            }
            Ok(())
        }
        ["samples", name, folder] => write_samples(name, std::path::Path::new(folder)),
        _ => anyhow::bail!("usage: fuzz list | fuzz samples NAME FOLDER"),
    }
}

#[cfg(not(fuzzing))]
fn write_samples(name: &str, folder: &std::path::Path) -> anyhow::Result<()> {
    use anyhow::Context as _;
    let target = tributary_fuzz::Target::named(name);
    let target = target.with_context(|| format!("there is no target {name:?}"))?;
    std::fs::create_dir_all(folder)?;
    for (number, sample) in (target.samples)().into_iter().enumerate() {
        std::fs::write(folder.join(format!("sample-{number}")), sample)?;
    }
    Ok(())
}
