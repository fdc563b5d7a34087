//! The packaged service under a real systemd: `cargo xtask test` runs these in a guest of their own.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    daemon::{get, sum, tap_on},
    world::{BEHIND_D0, ZCDIAG, add_devices, eventually, in_guest},
};

/// Of the packaged configuration.
const PORT: u16 = 9756;

fn packaging(name: &str) -> String {
    format!("{}/../packaging/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Runs a program that must succeed; gives what it wrote.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {} {errors}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn property(name: &str) -> String {
    output("systemctl", &["show", "--value", "--property", name, "zcdiag"]).trim().to_owned()
}

/// Installs the service as a package does, with a configuration and changes of the test's, and starts it.
struct Service;

impl Service {
    fn start(configuration: &str, drop_in: &str) -> Self {
        eventually("systemd is up", || {
            Command::new("systemctl")
                .arg("list-jobs")
                .stdout(Stdio::null())
                .status()
                .is_ok_and(|s| s.success())
        });
        if !Path::new("/sys/class/net/d0").exists() {
            add_devices();
        }
        fs::copy(ZCDIAG, "/usr/bin/zcdiag").expect("install the program");
        fs::set_permissions("/usr/bin/zcdiag", fs::Permissions::from_mode(0o755))
            .expect("make it executable");
        fs::create_dir_all("/etc/zcdiag").expect("create a directory");
        fs::create_dir_all("/etc/systemd/system/zcdiag.service.d").expect("create a directory");
        for unit in ["zcdiag.service", "zcdiag.socket"] {
            fs::copy(packaging(&format!("systemd/{unit}")), format!("/etc/systemd/system/{unit}"))
                .expect("install");
        }
        fs::write("/etc/systemd/system/zcdiag.service.d/test.conf", drop_in).expect("write");
        fs::write("/etc/zcdiag/zcdiag.toml", configuration).expect("write");
        output("systemctl", &["daemon-reload"]);
        let started = Command::new("systemctl").args(["restart", "zcdiag"]).status().expect("run systemctl");
        let log = || output("journalctl", &["--no-pager", "--unit", "zcdiag"]);
        assert!(started.success(), "{}", log());
        Self
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = Command::new("systemctl").args(["stop", "zcdiag"]).status();
    }
}

fn metrics() -> String {
    get(PORT, "/metrics").expect("an answer")
}

/// Sends from a unit of its own.
fn send_from(unit: &str) {
    let _ = Command::new("systemd-run")
        .args([
            "--quiet",
            "--wait",
            "--collect",
            "--unit",
            unit,
            "/usr/bin/zcdiag",
            "probe",
            "--no-watch",
            BEHIND_D0,
        ])
        .args(["--udp", "-n", "50"])
        .status()
        .expect("run systemd-run");
}

/// Entries of the journal about changes of verdicts.
fn changes() -> Vec<Value> {
    let id = "MESSAGE_ID=6f1d6a3f0f6b4b0e9d1c6a5b7e2c4d90";
    let text = output("journalctl", &["--quiet", "--output", "json", "--unit", "zcdiag", id]);
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn the_packaged_service_says_who_lost_zero_copy() {
    in_guest(|| {
        let _service = Service::start("interval = \"1s\"\n[events]\nhold = \"1s\"\n", "");
        assert_eq!((property("ActiveState"), property("SubState")), ("active".into(), "running".into()));
        assert!(property("StatusText").contains("zerocopied"), "{}", property("StatusText"));
        send_from("web");
        let web = ["unit=\"web.service\"", "result=\"zerocopied\""];
        eventually("sends of the unit are counted", || sum(&metrics(), "zcdiag_sends_total", &web) == 50);
        let tap = tap_on("d0");
        send_from("web");
        eventually("the change is in the journal", || !changes().is_empty());
        let change = &changes()[0];
        assert_eq!(
            (&change["ZCDIAG_CHANGE"], &change["ZCDIAG_UNIT"]),
            (&"lost".into(), &"web.service".into())
        );
        assert_eq!(change["ZCDIAG_CULPRIT"], crate::watch::own_comm(), "{change:#}");
        drop(tap);
        eventually("zero copy is back", || {
            send_from("web");
            changes().iter().any(|change| change["ZCDIAG_CHANGE"] == "restored")
        });
        let status = output("/usr/bin/zcdiag", &["status"]);
        assert!(status.contains("web (web.service)") || status.contains("zcdiag (web.service)"), "{status}");
    });
}

#[test]
fn the_packaged_service_has_no_more_rights_than_it_needs() {
    in_guest(|| {
        let _service = Service::start("", "");
        let pid = property("MainPID");
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the daemon's status");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a field");
            line.trim().to_owned()
        };
        assert_ne!(field("Uid:").split_whitespace().next(), Some("0"), "{status}");
        let capabilities = u64::from_str_radix(&field("CapPrm:"), 16).expect("a set");
        let (perfmon, net_raw, sys_admin) = (1 << 38, 1 << 13, 1 << 21);
        assert_eq!(capabilities & (perfmon | net_raw | sys_admin), 0, "{status}");
        let log = output("journalctl", &["--no-pager", "--unit", "zcdiag"]);
        assert!(!log.contains("hides its symbols"), "{log}");
        let security = output("systemd-analyze", &["security", "--no-pager", "zcdiag"]);
        let exposure =
            security.lines().find_map(|line| line.split("exposure level for zcdiag.service: ").nth(1));
        let exposure =
            exposure.and_then(|rest| rest.split(' ').next()).and_then(|text| text.parse::<f64>().ok());
        println!("exposure {exposure:?}");
        assert!(exposure.is_some_and(|exposure| exposure <= 2.0), "{security}");
    });
}

#[test]
fn the_packaged_service_is_reloaded_and_watched() {
    in_guest(|| {
        let quick = "[Service]\nWatchdogSec=3s\nTimeoutAbortSec=1s\nRestartSec=100ms\n";
        let _service = Service::start("", quick);
        let pid = property("MainPID");
        let password = "[metrics.basic_auth_users]\nprometheus = \"$2y$04$8sNn06FZzRlJ0d3.QS0AuOsYcEF0LictBOMxeRoc9GzmdDqaXJI1W\"\n";
        fs::write("/etc/zcdiag/zcdiag.toml", password).expect("write");
        output("systemctl", &["reload", "zcdiag"]);
        eventually("it asks for a password", || metrics().starts_with("HTTP/1.1 401"));
        assert_eq!(property("MainPID"), pid, "a reload is no restart");
        output("kill", &["-STOP", &pid]);
        eventually("systemd starts a daemon that is stuck again", || {
            property("MainPID") != pid && property("ActiveState") == "active"
        });
        assert_eq!(property("NRestarts"), "1");
    });
}

#[test]
fn a_daemon_that_is_stopped_stays_so_whoever_asks_for_metrics() {
    in_guest(|| {
        let service = Service::start("", "");
        output("systemctl", &["restart", "zcdiag"]);
        assert!(metrics().starts_with("HTTP/1.1 200"));
        drop(service);
        assert!(get(PORT, "/metrics").is_err(), "somebody listens");
        assert_eq!(property("ActiveState"), "inactive");
    });
}

/// Runs `promtool` on something.
fn promtool(arguments: &[&str], input: &str) {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("run promtool");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("write to promtool");
    let output = child.wait_with_output().expect("wait for promtool");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "promtool {arguments:?}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn what_prometheus_gets_is_clean() {
    in_guest(|| {
        let _service = Service::start("interval = \"1s\"\n", "");
        let _tap = tap_on("d0");
        send_from("web");
        eventually("there is something to check", || sum(&metrics(), "zcdiag_copied_sends_total", &[]) > 0);
        let answer = metrics();
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        promtool(&["check", "metrics"], body);
        promtool(&["check", "rules", &packaging("fleet/zcdiag.rules.yml")], "");
        promtool(&["test", "rules", &packaging("fleet/zcdiag.rules.test.yml")], "");
    });
}

/// A Prometheus that scrapes the service, with the packaged rules made to judge within seconds.
struct Prometheus {
    url: String,
}

impl Prometheus {
    const PORT: u16 = 9090;

    fn start() -> Self {
        let rules = fs::read_to_string(packaging("fleet/zcdiag.rules.yml")).expect("the packaged rules");
        let quick =
            rules.replace("[5m]", "[20s]").replace("for: 5m", "for: 2s").replace("for: 10m", "for: 2s");
        fs::create_dir_all("/run/prometheus").expect("create a directory");
        fs::write("/run/prometheus/zcdiag.rules.yml", quick).expect("write");
        let configuration = format!(
            "global: {{ scrape_interval: 2s, evaluation_interval: 1s }}\n\
             rule_files: [ zcdiag.rules.yml ]\n\
             scrape_configs: [ {{ job_name: zcdiag, static_configs: [ {{ targets: [ 'localhost:{PORT}' ] }} ] }} ]\n"
        );
        fs::write("/run/prometheus/prometheus.yml", configuration).expect("write");
        let listen = format!("--web.listen-address=127.0.0.1:{}", Self::PORT);
        let arguments =
            ["--config.file=/run/prometheus/prometheus.yml", "--storage.tsdb.path=/run/prometheus/data"];
        let unit = ["--quiet", "--collect", "--unit", "scraper", "/usr/bin/prometheus"];
        output("systemd-run", &[&unit[..], &arguments, &[&listen]].concat());
        eventually("Prometheus is ready", || {
            get(Self::PORT, "/-/ready").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
        });
        Self { url: format!("http://127.0.0.1:{}", Self::PORT) }
    }

    /// The series that a query gives, one a line.
    fn query(&self, query: &str) -> String {
        output("promtool", &["query", "instant", &self.url, query])
    }

    fn firing(&self, alert: &str) -> String {
        self.query(&format!("ALERTS{{alertstate=\"firing\",alertname=\"{alert}\"}}"))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = Command::new("systemctl").args(["stop", "scraper"]).status();
    }
}

#[test]
fn the_alerts_of_a_real_prometheus_fire_and_resolve() {
    in_guest(|| {
        let service = Service::start("interval = \"1s\"\n[taps]\ninterval = \"5s\"\n", "");
        let prometheus = Prometheus::start();
        eventually("it is scraped", || prometheus.query("up{job=\"zcdiag\"} == 1").contains("zcdiag"));
        let rates = "instance:zcdiag_copied_sends:ratio_rate5m";
        eventually("sends are seen", || {
            send_from("web");
            prometheus.query(&format!("{rates} == 0")).contains("instance=")
        });
        assert_eq!(prometheus.query("ALERTS{alertname=~\"ZeroCopy.*\"}").trim(), "");
        let tap = tap_on("d0");
        eventually("the alerts fire", || {
            send_from("web");
            let lost = prometheus.firing("ZeroCopyLost");
            let tapped = prometheus.firing("ZeroCopyTapped");
            let culprit = format!("comm=\"{}\"", crate::watch::own_comm());
            lost.contains("unit=\"web.service\"")
                && tapped.contains(&culprit)
                && tapped.contains("device=\"d0\"")
        });
        drop(tap);
        eventually("they resolve", || {
            send_from("web");
            prometheus.firing("ZeroCopyLost").trim().is_empty()
                && prometheus.firing("ZeroCopyTapped").trim().is_empty()
        });
        drop(service);
        eventually("a daemon that is gone is told of", || {
            prometheus.firing("ZcdiagDown").contains("instance=")
        });
        let _service = Service::start("interval = \"1s\"\n", "");
        eventually("and that it is back", || prometheus.firing("ZcdiagDown").trim().is_empty());
    });
}
