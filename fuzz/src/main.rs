//! The `fuzz` program. In an ordinary build it writes a target's samples and
//! tries single inputs; built with `--cfg fuzzing` it is libFuzzer around one
//! target. `cargo xtask fuzz` builds both, and does everything around them.
//!
//! ```text
//! fuzz list                   names of all targets, and their largest inputs
//! fuzz samples NAME FOLDER    writes the samples of a target
//! fuzz try NAME FILE...       gives these inputs to a target, which panics if one breaks it
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
        ["try", name, ref files @ ..] => try_files(name, files),
        _ => anyhow::bail!("usage: fuzz list | fuzz samples NAME FOLDER | fuzz try NAME FILE..."),
    }
}

#[cfg(not(fuzzing))]
fn named(name: &str) -> anyhow::Result<tributary_fuzz::Target> {
    use anyhow::Context as _;
    tributary_fuzz::Target::named(name).with_context(|| format!("there is no target {name:?}"))
}

#[cfg(not(fuzzing))]
fn try_files(name: &str, files: &[&str]) -> anyhow::Result<()> {
    use anyhow::Context as _;
    let target = named(name)?;
    for file in files {
        let input = std::fs::read(file).with_context(|| format!("cannot read {file}"))?;
        println!("{file}: {} bytes", input.len());
        (target.check)(&input);
    }
    Ok(())
}

#[cfg(not(fuzzing))]
fn write_samples(name: &str, folder: &std::path::Path) -> anyhow::Result<()> {
    let target = named(name)?;
    std::fs::create_dir_all(folder)?;
    for (number, sample) in (target.samples)().into_iter().enumerate() {
        std::fs::write(folder.join(format!("sample-{number}")), sample)?;
    }
    Ok(())
}
