//! `cargo xtask setup`: what the build needs beyond rustup and a C linker.
//!
//! RocksDB is C++, and its bindings are made with libclang; other crates bring
//! a little C. No pkg-config: nothing links a library of the system. The
//! checks only look at files, so that `demo` and `test` can begin with them.
//! As root on Debian the packages are installed; anyone else gets the line to
//! run. A C linker cannot be on the list: without one this program would not
//! have been built.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command;

/// Something the build needs, and where to get it.
struct Need {
    what: &'static str,
    package: &'static str,
    /// The crates that need it: without them in `Cargo.lock` nobody does.
    crates: &'static [&'static str],
    is_present: fn() -> bool,
}

const NEEDS: [Need; 2] = [
    Need {
        what: "a C++ compiler (c++)",
        package: "g++",
        crates: &["librocksdb-sys"],
        is_present: || is_program("c++"),
    },
    Need {
        what: "libclang with its headers",
        package: "libclang-dev",
        crates: &["bindgen"],
        is_present: has_libclang,
    },
];

/// Parts of the Rust toolchain that rustup's minimal profile leaves out.
const COMPONENTS: [(&str, &str); 2] = [("clippy", "cargo-clippy"), ("rustfmt", "cargo-fmt")];

/// Installs what the build and the gates lack; quick and silent when that is nothing.
///
/// # Errors
///
/// When something is missing and cannot be installed by this user.
pub fn install() -> Result<()> {
    install_components()?;
    install_packages()
}

fn install_components() -> Result<()> {
    let missing = missing_components();
    if missing.is_empty() {
        return Ok(());
    }
    command::run(command::program("rustup").args(["component", "add"]).args(&missing))
        .with_context(|| format!("the gates need {} of the Rust toolchain", missing.join(", ")))
}

/// Installs what the build lacks; quick and silent when that is nothing.
///
/// # Errors
///
/// As [`install`].
pub fn install_packages() -> Result<()> {
    let missing = missing_needs()?;
    if missing.is_empty() {
        return Ok(());
    }
    let what = missing.iter().map(|need| need.what).collect::<Vec<_>>().join(", ");
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    if !is_program("apt-get") {
        bail!("the build needs {what}; on Debian the packages are called {}", packages.join(" "));
    }
    if !is_root() {
        bail!("the build needs {what}; this installs it:\n\n    {}\n", apt_line(&packages));
    }
    println!("installing {}", packages.join(" "));
    apt_install(&packages)
}

/// Installs a program that a single chore needs; quick and silent when it is there.
///
/// # Errors
///
/// When it is missing and cannot be installed by this user.
pub fn install_program(name: &str, package: &str) -> Result<()> {
    if is_program(name) {
        return Ok(());
    }
    if !is_program("apt-get") {
        bail!("{name} is needed; on Debian the package is called {package}");
    }
    if !is_root() {
        bail!("{name} is needed; this installs it:\n\n    {}\n", apt_line(&[package]));
    }
    println!("installing {package}");
    apt_install(&[package])
}

/// Installs programs that a chore can do without, each with its package; quick
/// and silent when all are there.
///
/// # Errors
///
/// As [`install`].
pub fn install_tools(tools: &[(&str, &'static str)]) -> Result<()> {
    let missing = tools.iter().filter(|(program, _)| !is_program(program));
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    if !can_install() {
        bail!("this installs what is missing:\n\n    {}\n", apt_line(&packages));
    }
    println!("installing {}", packages.join(" "));
    apt_install(&packages)
}

/// Prints the lines that would install what is missing; nothing if nothing is.
///
/// # Errors
///
/// When `Cargo.lock` cannot be read.
pub fn print() -> Result<()> {
    let components = missing_components();
    if !components.is_empty() {
        println!("rustup component add {}", components.join(" "));
    }
    let packages: Vec<&str> = missing_needs()?.iter().map(|need| need.package).collect();
    if !packages.is_empty() {
        println!("{}", apt_line(&packages));
    }
    Ok(())
}

fn missing_needs() -> Result<Vec<&'static Need>> {
    let path = command::root().join("Cargo.lock");
    let lock = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(NEEDS.iter().filter(|need| is_wanted(need, &lock) && !(need.is_present)()).collect())
}

fn is_wanted(need: &Need, lock: &str) -> bool {
    need.crates.iter().any(|name| lock.contains(&format!("\nname = \"{name}\"\n")))
}

fn missing_components() -> Vec<&'static str> {
    let toolchain = command::cargo_path().parent().map(Path::to_path_buf).unwrap_or_default();
    let missing = COMPONENTS.iter().filter(|(_, binary)| !toolchain.join(binary).is_file());
    missing.filter(|(_, binary)| !is_program(binary)).map(|(component, _)| *component).collect()
}

fn is_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// As bindgen will look for it. The library alone is not enough: without the
/// compiler's own headers (`stddef.h`) it cannot read RocksDB's.
fn has_libclang() -> bool {
    if env::var_os("LIBCLANG_PATH").is_some() {
        return true;
    }
    let llvms = children(Path::new("/usr/lib")).into_iter().filter(|path| is_llvm(path));
    let llvms: Vec<PathBuf> = llvms.collect();
    let has_headers = llvms.iter().any(|llvm| {
        let versions = children(&llvm.join("lib/clang"));
        versions.iter().any(|version| version.join("include/stddef.h").is_file())
    });
    let mut folders = vec![PathBuf::from("/usr/lib"), PathBuf::from("/usr/local/lib")];
    folders.extend(children(Path::new("/usr/lib")));
    folders.extend(llvms.iter().map(|llvm| llvm.join("lib")));
    has_headers
        && folders.iter().flat_map(|folder| children(folder)).any(|path| {
            path.file_name().and_then(OsStr::to_str).is_some_and(is_libclang) && path.is_file()
        })
}

fn is_llvm(path: &Path) -> bool {
    path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("llvm"))
}

fn is_libclang(name: &str) -> bool {
    name.strip_prefix("libclang").is_some_and(|rest| {
        let versioned = rest.starts_with('-') && !rest.starts_with("-cpp");
        rest.starts_with(".so") || (versioned && rest.contains(".so"))
    })
}

/// What a folder holds; nothing if it cannot be read.
fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect()
}

/// Whether packages of Debian can be installed by this user.
#[must_use]
pub fn can_install() -> bool {
    is_program("apt-get") && is_root()
}

/// Whether this user is root.
#[must_use]
pub fn is_root() -> bool {
    command::program("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

fn apt_line(packages: &[&str]) -> String {
    let install = format!(
        "apt-get update && apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    );
    if is_root() { install } else { format!("sudo sh -c '{install}'") }
}

fn apt_install(packages: &[&str]) -> Result<()> {
    if !has_package_lists() {
        command::run(command::program("apt-get").arg("update"))?;
    }
    let install = || {
        let mut apt = command::program("apt-get");
        apt.args(["install", "-y", "--no-install-recommends"]).args(packages);
        command::run(apt.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    // Old lists name files that the mirror no longer has: once more with new ones.
    install().or_else(|_| {
        command::run(command::program("apt-get").arg("update"))?;
        install()
    })
}

fn has_package_lists() -> bool {
    children(Path::new("/var/lib/apt/lists"))
        .iter()
        .any(|path| path.to_string_lossy().contains("_Packages"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_c_interface_of_clang_is_libclang() {
        for name in ["libclang.so", "libclang.so.1", "libclang-14.so", "libclang-14.so.1"] {
            assert!(is_libclang(name), "{name}");
        }
        for name in ["libclang-cpp.so.14", "libclang_rt.asan.so", "libclang.a", "clang.so"] {
            assert!(!is_libclang(name), "{name}");
        }
    }

    #[test]
    fn a_package_is_wanted_only_while_a_crate_needs_it() {
        let lock = "[[package]]\nname = \"bindgen\"\nversion = \"0.72.1\"\n";
        let wanted: Vec<_> =
            NEEDS.iter().filter(|need| is_wanted(need, lock)).map(|need| need.package).collect();
        assert_eq!(wanted, ["libclang-dev"]);
    }

    #[test]
    fn the_printed_line_is_complete() {
        let line = apt_line(&["g++", "make"]);
        assert!(line.contains("apt-get install -y --no-install-recommends g++ make"), "{line}");
    }
}
