//! The systemd unit and the container that a `/proc/PID/cgroup` tells of.

/// What the control groups of a process say of its surroundings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Membership {
    /// Innermost service or scope.
    pub(crate) unit: Option<String>,
    /// Id or name of the innermost container.
    pub(crate) container: Option<String>,
    /// Kubernetes pod UID.
    pub(crate) pod: Option<String>,
}

/// Reads the text of `/proc/PID/cgroup`, whichever hierarchies it lists.
///
/// On a hybrid machine the unified hierarchy (`0::`) or `name=systemd` carries the units and any controller
/// may carry the container: each is taken from the first hierarchy that knows it, in that order.
pub(crate) fn parse(text: &str) -> Membership {
    let mut paths: Vec<(u8, &str)> = text.lines().filter_map(ranked_path).collect();
    paths.sort_by_key(|(rank, _)| *rank);
    let mut membership = Membership::default();
    for (_, path) in paths {
        let found = parse_path(path);
        membership.unit = membership.unit.or(found.unit);
        membership.container = membership.container.or(found.container);
        membership.pod = membership.pod.or(found.pod);
    }
    membership
}

/// The path of a line `hierarchy:controllers:path`, with its rank among the hierarchies.
fn ranked_path(line: &str) -> Option<(u8, &str)> {
    let mut fields = line.splitn(3, ':');
    let (hierarchy, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let rank = match (hierarchy, controllers) {
        ("0", "") => 0,
        (_, "name=systemd") => 1,
        _ => 2,
    };
    Some((rank, path))
}

pub(super) fn parse_path(path: &str) -> Membership {
    let mut membership = Membership::default();
    let mut parent = "";
    for component in path.split('/').filter(|component| !component.is_empty()) {
        if is_unit(component) {
            membership.unit = Some(component.to_owned());
        }
        if let Some(container) = container_of(parent, component) {
            membership.container = Some(container.to_owned());
        }
        if let Some(pod) = pod_of(component) {
            membership.pod = Some(pod);
        }
        parent = component;
    }
    membership
}

fn is_unit(component: &str) -> bool {
    [".service", ".scope"]
        .iter()
        .any(|kind| component.strip_suffix(kind).is_some_and(|name| !name.is_empty()))
}

/// The container that one component names: `docker-<id>.scope`, `<id>` below `docker` or a pod, and so on.
fn container_of<'a>(parent: &str, component: &'a str) -> Option<&'a str> {
    if let Some(name) = component.strip_prefix("lxc.payload.") {
        return Some(name);
    }
    if parent == "lxc" {
        return Some(component);
    }
    let name = component.strip_suffix(".scope").unwrap_or(component);
    let (runtime, id) = name.rsplit_once('-').unwrap_or(("", name));
    // Without `.scope` only a bare id counts; `libpod-conmon-<id>` is the container's monitor, outside it.
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id && !runtime.ends_with("conmon")).then_some(id)
}

/// The pod UID of `pod<uid>` or `kubepods-burstable-pod<uid>.slice`, with dashes as Kubernetes writes it.
fn pod_of(component: &str) -> Option<String> {
    let name = component.strip_suffix(".slice").unwrap_or(component);
    let uid = match name.rsplit_once('-') {
        Some((slice, pod)) if slice.starts_with("kubepods") => pod.strip_prefix("pod"),
        _ => name.strip_prefix("pod"),
    }?;
    let uid = uid.replace('_', "-");
    is_pod_uid(&uid).then_some(uid)
}

/// Whether it is the UID of a pod, with dashes; that of a static pod is a plain hash of 32 digits.
pub(crate) fn is_pod_uid(uid: &str) -> bool {
    let digits = uid.bytes().filter(u8::is_ascii_hexdigit).count();
    let dashes = uid.bytes().filter(|byte| *byte == b'-').count();
    digits == 32 && digits + dashes == uid.len()
}

#[cfg(test)]
mod tests {
    use super::parse;

    /// What it is, the path, and the unit, container and pod it tells of.
    type Case = (&'static str, String, Option<&'static str>, Option<&'static str>, Option<&'static str>);

    const ID: &str = "4f5e6d7c8b9a0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899a";

    #[test]
    fn paths() {
        const POD: &str = "0a1b2c3d-1111-2222-3333-444455556666";
        let pod_slice = format!("kubepods-burstable-pod{}.slice", POD.replace('-', "_"));
        let cases: [Case; 19] = [
            ("plain service", "/system.slice/ssh.service".into(), Some("ssh.service"), None, None),
            ("below a service", "/system.slice/a.service/sub/x".into(), Some("a.service"), None, None),
            (
                "session",
                "/user.slice/user-1000.slice/session-3.scope".into(),
                Some("session-3.scope"),
                None,
                None,
            ),
            (
                "user manager",
                "/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service".into(),
                Some("foo.service"),
                None,
                None,
            ),
            (
                "user manager itself",
                "/user.slice/user-1000.slice/user@1000.service/init.scope".into(),
                Some("init.scope"),
                None,
                None,
            ),
            ("root", "/".into(), None, None, None),
            ("slice only", "/system.slice".into(), None, None, None),
            ("a unit needs a name", "/.service".into(), None, None, None),
            ("docker, systemd", format!("/system.slice/docker-{ID}.scope"), Some("docker"), Some(ID), None),
            ("docker, cgroupfs", format!("/docker/{ID}"), None, Some(ID), None),
            ("podman", format!("/machine.slice/libpod-{ID}.scope/container"), Some("libpod"), Some(ID), None),
            (
                "podman monitor",
                format!("/machine.slice/libpod-conmon-{ID}.scope"),
                Some("libpod-conmon"),
                None,
                None,
            ),
            (
                "containerd",
                format!("/kubepods.slice/kubepods-burstable.slice/{pod_slice}/cri-containerd-{ID}.scope"),
                Some("cri-containerd"),
                Some(ID),
                Some(POD),
            ),
            (
                "cri-o",
                format!("/kubepods.slice/kubepods-burstable.slice/{pod_slice}/crio-{ID}.scope"),
                Some("crio"),
                Some(ID),
                Some(POD),
            ),
            ("cgroupfs pod", format!("/kubepods/besteffort/pod{POD}/{ID}"), None, Some(ID), Some(POD)),
            (
                "service in a container",
                format!("/system.slice/docker-{ID}.scope/system.slice/nginx.service"),
                Some("nginx.service"),
                Some(ID),
                None,
            ),
            (
                "lxc",
                "/lxc.payload.web/system.slice/cron.service".into(),
                Some("cron.service"),
                Some("web"),
                None,
            ),
            ("old lxc", "/lxc/web".into(), None, Some("web"), None),
            ("outside the namespace", format!("/../../docker/{ID}"), None, Some(ID), None),
        ];
        for (case, path, unit, container, pod) in cases {
            let found = parse(&format!("0::{path}\n"));
            let unit =
                unit.map(|unit| if unit.contains('.') { unit.into() } else { format!("{unit}-{ID}.scope") });
            assert_eq!(found.unit, unit, "unit: {case}");
            assert_eq!(found.container.as_deref(), container, "container: {case}");
            assert_eq!(found.pod.as_deref(), pod, "pod: {case}");
        }
    }

    #[test]
    fn hybrid_hierarchies() {
        let text = format!(
            "12:pids:/docker/{ID}\n11:memory:/docker/{ID}\n1:name=systemd:/system.slice/docker.service\n0::/\n"
        );
        let found = parse(&text);
        assert_eq!(found.unit.as_deref(), Some("docker.service"));
        assert_eq!(found.container.as_deref(), Some(ID));
        assert_eq!(parse("").unit, None);
        assert_eq!(parse("nonsense\n1:x\n").container, None);
    }
}
