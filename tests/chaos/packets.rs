//! Which packets are lost: UDP between ports, by classic BPF filters on the way
//! out of the loopback interface, which every kernel with traffic control has.
//!
//! A process speaks from several ports: the one where it listens, if it does,
//! and one from which it dials. [`ports_of`] finds all that it has open. Only
//! UDP over IPv4 is ever lost: that is all that processes say to each other.
//! What a process serves over TCP (health, metrics) stays reachable.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cluster::run;

/// All packets: a share in thousandths.
pub const EVERYTHING: u32 = 1_000;
/// Most ports of one end of a rule: a jump of the filter goes no farther.
const PORTS_MAX: usize = 255;
/// The preference of the first filter; the others follow.
const FIRST_PREFERENCE: usize = 1;
/// The instruction that ends a filter and loses nothing.
const GO_ON: &str = "6 0 0 4294967295";
/// How long a packet on the loopback interface may take.
const ARRIVES_WITHIN: Duration = Duration::from_secs(1);

/// UDP ports of the processes at one end.
pub type Ports = BTreeSet<u16>;

/// Packets that are lost; an end that is `None` is any port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Where they come from.
    pub from: Option<Ports>,
    /// Where they go.
    pub to: Option<Ports>,
    /// How many of them.
    pub thousandths: u32,
}

/// Loses what these rules say. Each takes the place of the one with its number
/// at once: nothing slips through between two calls. Call [`lose_nothing`]
/// before there are fewer.
///
/// # Errors
/// What `tc` says, or that there are too many ports.
pub fn lose(rules: &[Rule]) -> Result<()> {
    for (number, rule) in rules.iter().enumerate() {
        let longest = [&rule.from, &rule.to].into_iter().flatten().map(BTreeSet::len).max();
        let ports = longest.unwrap_or_default();
        ensure!(ports <= PORTS_MAX, "{ports} ports are more than {PORTS_MAX}");
        let (preference, program) = ((FIRST_PREFERENCE + number).to_string(), program(rule));
        let place = ["protocol", "all", "pref", &preference, "handle", "1"];
        let filter = ["bpf", "direct-action", "bytecode", &program];
        tc(&[&["filter", "replace", "dev", "lo", "egress"], &place[..], &filter].concat())?;
    }
    Ok(())
}

/// Loses nothing any more.
///
/// # Errors
/// What `tc` says.
pub fn lose_nothing() -> Result<()> {
    tc(&["filter", "del", "dev", "lo", "egress"])
}

/// Runs `tc`.
///
/// # Errors
/// What it says.
pub fn tc(arguments: &[&str]) -> Result<()> {
    run(Command::new("tc").args(arguments))
}

/// UDP ports that a process has open now; none if there is no such process.
///
/// # Errors
/// If the system's table of sockets cannot be read.
pub fn ports_of(pid: i32) -> Result<Ports> {
    let sockets = std::fs::read_to_string("/proc/net/udp").context("reading /proc/net/udp")?;
    let by_inode = ports_by_inode(&sockets);
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return Ok(Ports::new());
    };
    // A descriptor that is closed meanwhile leads nowhere.
    let targets = descriptors.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let inodes = targets.filter_map(|target| {
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
    });
    Ok(inodes.filter_map(|inode| by_inode.get(&inode).copied()).collect())
}

/// The table `/proc/net/udp`: after a line of titles one line for each socket,
/// its second column the local address and port in hexadecimal digits, its tenth
/// the inode.
fn ports_by_inode(table: &str) -> BTreeMap<u64, u16> {
    let lines = table.lines().skip(1);
    let ports = lines.filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (_, port) = columns.get(1)?.split_once(':')?;
        Some((columns.get(9)?.parse().ok()?, u16::from_str_radix(port, 16).ok()?))
    });
    ports.collect()
}

/// IPv4, UDP, the ports, and a random number up to the share: drop (2), else go
/// on (-1). One instruction is operation, jumps if true and if false, operand.
fn program(rule: &Rule) -> String {
    let mut instructions = Vec::new();
    expect("40 0 0 12", [2_048], &mut instructions);
    expect("48 0 0 23", [17], &mut instructions);
    if let Some(ports) = &rule.from {
        expect("40 0 0 34", ports.iter().copied(), &mut instructions);
    }
    if let Some(ports) = &rule.to {
        expect("40 0 0 36", ports.iter().copied(), &mut instructions);
    }
    let share = u64::from(u32::MAX) * u64::from(rule.thousandths.min(EVERYTHING)) / 1_000;
    instructions.push("32 0 0 4294963256".to_owned());
    instructions.push(format!("37 1 0 {share}"));
    instructions.push("6 0 0 2".to_owned());
    instructions.push(GO_ON.to_owned());
    format!("{},{}", instructions.len(), instructions.join(","))
}

/// Goes on unless what is loaded is one of the values: each comparison jumps
/// over those behind it and over the end.
fn expect(
    load: &str,
    values: impl IntoIterator<Item = u16, IntoIter: ExactSizeIterator>,
    instructions: &mut Vec<String>,
) {
    instructions.push(load.to_owned());
    let values = values.into_iter();
    let count = values.len();
    let compared = values.enumerate().map(|(at, value)| format!("21 {} 0 {value}", count - at));
    instructions.extend(compared);
    instructions.push(GO_ON.to_owned());
}

/// Cuts sockets of this very process as those of others are cut, and sees that
/// exactly the right packets are lost: a filter that loses nothing would let
/// every run pass.
///
/// # Errors
/// What does not work.
pub fn prove() -> Result<()> {
    let sockets = [listening()?, listening()?, listening()?];
    let mut ports = [0; 3];
    for (port, socket) in ports.iter_mut().zip(&sockets) {
        *port = socket.local_addr()?.port();
    }
    let own = ports_of(i32::try_from(std::process::id())?)?;
    ensure!(own == Ports::from(ports), "sockets on {ports:?}, found are {own:?}");
    let one = |index: usize| Some(Ports::from([ports[index]]));
    let paths = [(0, 1), (0, 2), (1, 0)];
    // A rule, and on which of the paths it loses what is sent.
    let cases = [
        (Rule { from: one(0), to: one(1), thousandths: EVERYTHING }, [true, false, false]),
        (Rule { from: one(0), to: None, thousandths: EVERYTHING }, [true, true, false]),
        (Rule { from: None, to: one(0), thousandths: EVERYTHING }, [false, false, true]),
        (Rule { from: Some(own.clone()), to: Some(own), thousandths: EVERYTHING }, [true; 3]),
        (Rule { from: one(0), to: one(1), thousandths: 0 }, [false; 3]),
    ];
    for (rule, lost) in cases {
        lose(std::slice::from_ref(&rule))?;
        for ((from, to), is_lost) in paths.into_iter().zip(lost) {
            sockets[from].send_to(&[u8::from(is_lost)], ("127.0.0.1", ports[to]))?;
        }
        lose_nothing()?;
        for ((from, to), is_lost) in paths.into_iter().zip(lost) {
            // Packets stay in order: if the first that arrives is this one, the
            // one before is lost.
            let last = 2;
            sockets[from].send_to(&[last], ("127.0.0.1", ports[to]))?;
            let skipped = usize::from(is_lost);
            for byte in &[0, last][skipped..] {
                let found = received(&sockets[to])?;
                ensure!(found == *byte, "{rule:?}: received {found}, expected {byte}");
            }
        }
    }
    Ok(())
}

fn listening() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(("127.0.0.1", 0))?;
    socket.set_read_timeout(Some(ARRIVES_WITHIN))?;
    Ok(socket)
}

fn received(socket: &UdpSocket) -> Result<u8> {
    let mut byte = [0];
    socket.recv(&mut byte).context("a packet that should arrive is lost")?;
    Ok(byte[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when \
        retrnsmt   uid  timeout inode ref pointer drops            \n  \
        390: 0100007F:B28D 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        \
        0 3141635 2 00000000d49fb9d7 0       \n \
        2089: 00000000:B930 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        \
        0 3143665 2 000000002690f30e 0       \n";

    #[test]
    fn the_table_of_sockets_is_read() {
        let expected = [(3_141_635, 0xB28D), (3_143_665, 0xB930)];
        assert_eq!(ports_by_inode(TABLE), expected.into());
        assert_eq!(ports_by_inode("one line of titles\nnonsense\n"), [].into());
    }

    #[test]
    fn all_sockets_of_a_process_are_found_and_no_others() {
        let sockets = [(); 2].map(|()| UdpSocket::bind(("127.0.0.1", 0)).unwrap());
        let own = ports_of(i32::try_from(std::process::id()).unwrap()).unwrap();
        for socket in sockets {
            assert!(own.contains(&socket.local_addr().unwrap().port()), "{own:?}");
        }
        assert_eq!(ports_of(0).unwrap(), Ports::new(), "there is no process 0");
    }

    #[test]
    fn a_filter_compares_all_ports_of_both_ends() {
        let rule =
            Rule { from: Some([7, 9].into()), to: Some([11].into()), thousandths: EVERYTHING };
        let expected = "17,\
            40 0 0 12,21 1 0 2048,6 0 0 4294967295,\
            48 0 0 23,21 1 0 17,6 0 0 4294967295,\
            40 0 0 34,21 2 0 7,21 1 0 9,6 0 0 4294967295,\
            40 0 0 36,21 1 0 11,6 0 0 4294967295,\
            32 0 0 4294963256,37 1 0 4294967295,6 0 0 2,6 0 0 4294967295";
        assert_eq!(program(&rule), expected);
    }

    #[test]
    fn a_filter_with_an_open_end_compares_only_the_other_and_may_lose_a_part() {
        let rule = Rule { from: None, to: Some([7].into()), thousandths: 500 };
        let program = program(&rule);
        assert!(!program.contains("40 0 0 34"), "{program}");
        assert!(program.contains("40 0 0 36,21 1 0 7,"), "{program}");
        assert!(program.contains("37 1 0 2147483647"), "{program}");
    }
}
