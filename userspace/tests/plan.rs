//! What is found out and planned for four real kernels, from their stored BTF; needs no privileges.

use std::{collections::BTreeSet, fs, process::Command};

use zcdiag::{
    attach::{
        found::{Place, found},
        hooks::{self, Role},
        plan::{Kind, NoHook, Offer, Plan, plan},
    },
    kernel::{
        btf::{Btf, BtfError},
        offsets::{self, Resolved, Unusable, taps_per_netns},
    },
};
use zcdiag_wire::Offsets;

const KERNELS: [&str; 4] =
    ["5.10.0-46-amd64", "6.1.0-57-amd64", "6.12.118+deb13-amd64", "7.2.13+deb14-amd64"];

fn bytes(release: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/btf/{release}.btf", env!("CARGO_MANIFEST_DIR"));
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn wanted() -> Vec<&'static str> {
    offsets::types().into_iter().chain(hooks::functions()).collect()
}

fn btf(release: &str) -> Btf {
    Btf::parse(bytes(release), &wanted()).unwrap_or_else(|error| panic!("{release}: {error}"))
}

fn resolved(release: &str) -> Resolved {
    offsets::resolve(&btf(release)).unwrap_or_else(|error| panic!("{release}: {error}"))
}

fn resolve(release: &str) -> Offsets {
    resolved(release).offsets
}

fn with_offer<T>(release: &str, preemptible: bool, make: impl FnOnce(&Offer<'_>) -> T) -> T {
    let btf = btf(release);
    make(&Offer {
        parameters: &|function| btf.parameters(function),
        has_symbol: &|_| false,
        has_module: &|_| false,
        ends_inlined: false,
        no_trampolines: None,
        preemptible,
    })
}

fn plan_for(release: &str, preemptible: bool) -> Plan {
    with_offer(release, preemptible, plan).unwrap_or_else(|error| panic!("{release}: {error}"))
}

#[test]
fn what_a_kernel_has_of_what_is_looked_for_is_told() {
    for release in KERNELS {
        let there: BTreeSet<&str> = with_offer(release, false, found)
            .into_iter()
            .filter(|(_, place)| *place == Some(Place::Btf))
            .map(|(function, _)| function)
            .collect();
        let planned = plan_for(release, false);
        let steps = planned.steps.iter().filter(|step| step.kind != Kind::Tracepoint);
        let planned: BTreeSet<&str> = steps.map(|step| step.function).collect();
        assert!(planned.is_subset(&there), "{release}");

        let members = offsets::found(&btf(release));
        let names: BTreeSet<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.len(), members.len(), "{release}: each once");
        let missing = |name: &str| members.iter().any(|(known, value)| known == name && value.is_none());
        let fields = resolved(release).lost;
        assert!(fields.values().flatten().all(|field| missing(field)), "{release}: {fields:?}");
        assert!(members.contains(&("sk_buff.head".to_owned(), Some(resolve(release).skb_head))), "{release}");
    }
}

fn steps(plan: &Plan) -> Vec<(&'static str, &'static str, String)> {
    plan.steps.iter().map(|step| (step.kind.name(), step.function, step.program.clone())).collect()
}

#[test]
fn offsets_are_those_of_each_kernel() {
    let found = KERNELS.map(|release| {
        let offsets = resolve(release);
        (offsets.dev_ifindex, offsets.dev_name, offsets.skb_head, offsets.sock_net, offsets.shinfo_flags)
    });
    assert_eq!(
        found,
        [(256, 0, 192, 48, 3), (216, 0, 200, 48, 0), (224, 304, 200, 48, 0), (224, 288, 200, 48, 0)]
    );
}

/// What came with zero copy for io_uring, 6.0, or shortly before it.
const IO_URING: [&str; 9] = [
    "kiocb_cmd",
    "kiocb_fd",
    "kiocb_result",
    "msg_ubuf",
    "notif_copied",
    "notif_report",
    "notif_uarg",
    "notif_used",
    "sr_notif",
];

#[test]
fn each_kernel_lacks_exactly_the_numbers_of_what_it_does_not_do() {
    // Linked requests came with 6.10.
    let lacking = [[&IO_URING[..], &["notif_head"]].concat(), vec!["notif_head"], vec![], vec![]];
    for (release, mut expected) in KERNELS.into_iter().zip(lacking) {
        let resolved = resolved(release);
        let mut missing = resolved.missing.clone();
        missing.sort_unstable();
        expected.sort_unstable();
        assert_eq!(missing, expected, "{release}");
        assert_eq!(resolved.degraded(), Vec::<String>::new(), "{release}");
    }
}

/// Names a directory of types of further kernels, as `RELEASE.btf` or `RELEASE.btf.xz`.
const MORE: &str = "ZCDIAG_BTF_DIR";

/// The types of each kernel in that directory.
fn more_kernels() -> Vec<(String, Vec<u8>)> {
    let Some(directory) = std::env::var_os(MORE) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in fs::read_dir(&directory).unwrap_or_else(|error| panic!("{MORE}: {error}")) {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if let Some(release) = name.strip_suffix(".btf.xz") {
            let unpacked = Command::new("xz").arg("-dc").arg(&path).output().expect("run xz");
            assert!(unpacked.status.success(), "{name}: {}", String::from_utf8_lossy(&unpacked.stderr));
            found.push((release.to_owned(), unpacked.stdout));
        } else if let Some(release) = name.strip_suffix(".btf") {
            found.push((release.to_owned(), fs::read(&path).expect("read the types")));
        }
    }
    assert!(!found.is_empty(), "{MORE} names a directory without types");
    found
}

/// What is lost is said, or nothing is: a kernel is refused only for what nothing works without.
#[test]
fn kernels_of_other_distributions_lack_what_is_said_and_nothing_else() {
    for (release, types) in more_kernels() {
        let btf = Btf::parse(types, &wanted()).unwrap_or_else(|error| panic!("{release}: {error}"));
        match offsets::resolve(&btf) {
            // Before its ring buffer, a kernel cannot be watched at all.
            Err(error) => assert_eq!(error, Unusable::NoRingBuffer, "{release}"),
            Ok(found) => assert_eq!(found.degraded(), Vec::<String>::new(), "{release}: {:?}", found.missing),
        }
        // Where functions have types as well, each is hooked or the plan says so.
        let functions = btf.parameters("skb_copy_ubufs").is_some();
        let planned = plan(&Offer {
            parameters: &|function| btf.parameters(function),
            has_symbol: &|_| false,
            has_module: &|_| false,
            ends_inlined: false,
            no_trampolines: None,
            preemptible: false,
        });
        assert_eq!(planned.is_ok(), functions, "{release}: {planned:?}");
    }
}

#[test]
fn the_zerocopy_bit_of_a_uarg_is_found_in_the_old_and_the_new_struct() {
    let found = KERNELS.map(|release| {
        let offsets = resolve(release);
        (offsets.uarg_zerocopy, offsets.uarg_zerocopy_bit, offsets.shinfo_zerocopy_bit)
    });
    assert_eq!(found, [(14, 1, 8), (22, 1, 1), (22, 1, 1), (22, 1, 1)]);
}

#[test]
fn tap_lists_are_per_namespace_on_the_newest_kernel_only() {
    assert_eq!(KERNELS.map(|release| taps_per_netns(&btf(release))), [false, false, false, true]);
}

#[test]
fn the_plan_on_6_1_hooks_the_callback_and_looks_again_at_its_exit_which_goes_first() {
    let steps = steps(&plan_for("6.1.0-57-amd64", false));
    assert_eq!(steps[0], ("fexit", "msg_zerocopy_callback", "put_fexit".to_owned()));
    assert_eq!(steps[1], ("fentry", "msg_zerocopy_callback", "put_fentry".to_owned()));
}

#[test]
fn on_a_preemptible_kernel_what_runs_in_the_sending_task_is_probed() {
    let plan = plan_for("7.2.13+deb14-amd64", true);
    let kind = |program: &str| plan.steps.iter().find(|step| step.program == program).map(|step| step.kind);
    assert_eq!(kind("birth_kretprobe"), Some(Kind::Kretprobe));
    assert_eq!(kind("put_kprobe"), Some(Kind::Kprobe));
    assert_eq!(kind("put_fexit"), Some(Kind::Fexit), "the second look may miss");
    assert_eq!(kind("copy_fentry"), Some(Kind::Fentry), "it runs with softirqs off");
    assert_eq!(kind("cow_fentry"), Some(Kind::Fentry), "it runs in a softirq");
}

#[test]
fn births_are_read_behind_the_last_parameter_of_each_kernel() {
    let births = KERNELS.map(|release| steps(&plan_for(release, false)).pop().expect("a plan has steps"));
    assert_eq!(
        births,
        [
            ("fexit", "sock_zerocopy_realloc", "old_birth_fexit".to_owned()),
            ("fexit", "msg_zerocopy_realloc", "birth_fexit3".to_owned()),
            ("fexit", "msg_zerocopy_realloc", "birth_fexit3".to_owned()),
            ("fexit", "msg_zerocopy_realloc", "birth_fexit4".to_owned()),
        ]
    );
}

#[test]
fn before_5_12_the_end_is_a_function_of_its_own() {
    let functions: Vec<&str> = plan_for(KERNELS[0], false).steps.iter().map(|step| step.function).collect();
    assert!(functions.contains(&"sock_zerocopy_put") && functions.contains(&"sock_zerocopy_callback"));
    assert!(!functions.contains(&"msg_zerocopy_put_abort"), "its work is done by sock_zerocopy_put there");
}

#[test]
fn nothing_is_degraded_on_debian_s_kernels() {
    for release in KERNELS {
        assert_eq!(plan_for(release, false).degraded, Vec::<String>::new(), "{release}");
    }
}

#[test]
fn a_function_outside_btf_is_probed_and_says_so() {
    let btf = btf("6.1.0-57-amd64");
    let plan = plan(&Offer {
        parameters: &|function| btf.parameters(function).filter(|_| function != "skb_copy_ubufs"),
        has_symbol: &|function| function == "skb_copy_ubufs",
        has_module: &|_| false,
        ends_inlined: false,
        no_trampolines: None,
        preemptible: false,
    })
    .expect("a plan");
    let copies = plan.steps.iter().filter(|step| step.function == "skb_copy_ubufs");
    let (programs, reasons): (Vec<_>, BTreeSet<_>) =
        copies.map(|step| ((step.kind, step.program.as_str()), step.because.as_str())).unzip();
    assert_eq!(programs, [(Kind::Kretprobe, "copy_kretprobe"), (Kind::Kprobe, "copy_kprobe")]);
    assert_eq!(reasons, BTreeSet::from(["not in the kernel's BTF, but it has a symbol"]));
}

#[test]
fn without_trampolines_every_step_is_a_probe_with_the_reason() {
    let btf = btf("6.12.118+deb13-amd64");
    let plan = plan(&Offer {
        parameters: &|function| btf.parameters(function),
        has_symbol: &|_| true,
        has_module: &|_| false,
        ends_inlined: false,
        no_trampolines: Some("probes were asked for"),
        preemptible: true,
    })
    .expect("a plan");
    for step in plan.steps.iter().filter(|step| step.kind != Kind::Tracepoint) {
        assert!(matches!(step.kind, Kind::Kprobe | Kind::Kretprobe), "{step:?}");
        assert_eq!(step.because, "probes were asked for");
    }
}

#[test]
fn what_can_be_missed_degrades_and_what_cannot_is_an_error() {
    let btf = btf("6.1.0-57-amd64");
    let without = |hidden: &'static str| {
        plan(&Offer {
            parameters: &|function| btf.parameters(function).filter(|_| function != hidden),
            has_symbol: &|_| false,
            has_module: &|_| false,
            ends_inlined: false,
            no_trampolines: None,
            preemptible: false,
        })
    };
    let degraded = without("skb_copy_ubufs").expect("a plan").degraded;
    assert!(degraded.len() == 1 && degraded[0].contains("skb_copy_ubufs"), "{degraded:?}");
    let error = without("msg_zerocopy_realloc").expect_err("no plan without births");
    assert_eq!(error, NoHook { functions: "msg_zerocopy_realloc".to_owned() });
}

#[test]
fn a_refused_trampoline_has_a_probe_to_fall_back_on_unless_its_handler_needs_the_arguments_at_the_exit() {
    for release in KERNELS {
        let trampolines = plan_for(release, false).steps.into_iter().filter(|step| step.kind.is_trampoline());
        let exits_with_arguments = [Role::Sent, Role::IoSent, Role::IoPrepared, Role::IoLink];
        for step in trampolines.filter(|step| !exits_with_arguments.contains(&step.role)) {
            let probe = step.otherwise("refused".to_owned()).unwrap_or_else(|| panic!("{step:?}"));
            assert_eq!((probe.function, probe.because.as_str()), (step.function, "refused"));
            assert_eq!(probe.kind == Kind::Kprobe, step.kind == Kind::Fentry, "{step:?}");
        }
    }
}

#[test]
fn where_probes_are_refused_on_a_preemptible_kernel_trampolines_take_their_place() {
    for release in KERNELS {
        let usual = plan_for(release, false).steps;
        let probes = plan_for(release, true).steps.into_iter().filter(|step| !step.kind.is_trampoline());
        let mut replaced = 0;
        for step in probes {
            let Some(same) = usual.iter().find(|other| {
                other.role == step.role
                    && other.function == step.function
                    && other.kind.is_trampoline()
                    && (other.kind == Kind::Fentry) == (step.kind == Kind::Kprobe)
            }) else {
                continue;
            };
            let trampoline = step.otherwise("refused".to_owned()).unwrap_or_else(|| panic!("{step:?}"));
            assert_eq!((trampoline.program, trampoline.kind), (same.program.clone(), same.kind));
            replaced += 1;
        }
        assert!(replaced > 0, "{release}");
    }
}

#[test]
fn btf_cut_off_anywhere_is_an_error_and_never_a_panic() {
    let whole = bytes("6.1.0-57-amd64");
    for length in (0..whole.len()).step_by(97) {
        assert!(Btf::parse(whole[..length].to_vec(), &wanted()).is_err(), "{length} bytes");
    }
}

#[test]
fn what_is_not_btf_is_told() {
    assert!(matches!(
        Btf::parse(b"\x7fELF............................".to_vec(), &[]),
        Err(BtfError::Magic(_))
    ));
    assert!(matches!(Btf::parse(Vec::new(), &[]), Err(BtfError::Truncated(0))));
}
