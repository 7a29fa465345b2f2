use super::*;
use TradingState::{Active, Halted, Reducing};

const LIMIT: Duration = Duration::from_millis(500);

fn switch(flattens: bool, folder: &Path) -> KillSwitch {
    KillSwitch { file: folder.join(KILL_FILE), dead_man: Some(LIMIT), flattens, file_was_there: false }
}

fn quiet(latched: TradingState) -> View {
    View { latched, silent_for: Duration::ZERO, file_exists: false, signalled: None }
}

fn check(view: View, expected: Option<KillCause>) {
    assert_eq!(switch(false, Path::new("/nowhere")).due(&view), expected, "{view:?}");
}

#[test]
fn each_cause_stops_an_active_engine() {
    check(quiet(Active), None);
    check(View { file_exists: true, ..quiet(Active) }, Some(KillCause::File));
    check(View { silent_for: LIMIT, ..quiet(Active) }, Some(KillCause::DeadMan));
    check(View { silent_for: LIMIT - Duration::from_nanos(1), ..quiet(Active) }, None);
    for signalled in [Signalled::Halt, Signalled::Reduce] {
        check(View { signalled: Some(signalled), ..quiet(Active) }, Some(KillCause::Signal(signalled)));
    }
}

#[test]
fn what_is_stopped_already_is_not_stopped_again() {
    let all = View { file_exists: true, silent_for: LIMIT, signalled: Some(Signalled::Halt), latched: Halted };
    check(all, None);
    check(View { signalled: Some(Signalled::Reduce), ..quiet(Reducing) }, None);
    check(View { signalled: Some(Signalled::Halt), ..quiet(Reducing) }, Some(KillCause::Signal(Signalled::Halt)));
    check(View { silent_for: LIMIT, ..quiet(Reducing) }, Some(KillCause::DeadMan));
}

#[test]
fn the_strongest_cause_counts() {
    let both = View { silent_for: LIMIT, signalled: Some(Signalled::Reduce), ..quiet(Active) };
    check(both, Some(KillCause::DeadMan));
    check(View { file_exists: true, ..both }, Some(KillCause::File));
    assert_eq!(Signalled::Reduce.with(Some(Signalled::Halt)), Signalled::Halt);
    assert_eq!(Signalled::Halt.with(Some(Signalled::Reduce)), Signalled::Halt);
    assert_eq!(Signalled::Reduce.with(None), Signalled::Reduce);
}

#[test]
fn a_file_that_stays_halts_again_after_a_resume() {
    let mut switch = switch(false, Path::new("/nowhere"));
    let there = |latched| View { file_exists: true, ..quiet(latched) };
    assert_eq!(switch.due(&there(Active)), Some(KillCause::File));
    assert_eq!(switch.due(&there(Halted)), None);
    assert_eq!(switch.due(&there(Active)), Some(KillCause::File));
    assert_eq!(switch.due(&quiet(Active)), None);
}

#[test]
fn a_new_file_flattens_a_halted_engine_once() {
    let mut switch = switch(true, Path::new("/nowhere"));
    let there = View { file_exists: true, ..quiet(Halted) };
    assert_eq!(switch.due(&there), Some(KillCause::File));
    assert_eq!(switch.due(&there), None);
}

#[test]
fn the_command_carries_the_cause_and_the_words_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let kept = switch(false, folder.path());
    assert!(!kept.file_exists());
    std::fs::write(folder.path().join(KILL_FILE), "odd fills\non  BTCUSDT\n").unwrap();
    assert!(kept.file_exists());
    let command = kept.command(KillCause::File, 7);
    assert_eq!((command.command_id.as_str(), command.by.as_str()), ("kill_file-7", "kill_file"));
    assert_eq!((command.action, command.reason.as_str()), (CommandAction::Halt, "odd fills on BTCUSDT"));
    let flattening = switch(true, folder.path());
    assert_eq!(flattening.command(KillCause::File, 1).action, CommandAction::Flatten);
    assert_eq!(flattening.command(KillCause::DeadMan, 1).action, CommandAction::Flatten);
    assert_eq!(flattening.command(KillCause::Signal(Signalled::Halt), 1).action, CommandAction::Halt);
    assert_eq!(flattening.command(KillCause::Signal(Signalled::Reduce), 1).action, CommandAction::Reduce);
    assert!(kept.command(KillCause::DeadMan, 1).reason.contains("500 ms"));
}

#[test]
fn a_file_of_nonsense_still_halts_with_a_short_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(KILL_FILE);
    std::fs::write(&path, vec![0xFF; 100_000]).unwrap();
    assert!(switch(false, folder.path()).command(KillCause::File, 1).reason.chars().count() <= 400);
    std::fs::write(&path, "").unwrap();
    assert_eq!(switch(false, folder.path()).command(KillCause::File, 1).reason, "the kill file gives no reason");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(switch(false, folder.path()).command(KillCause::File, 1).reason.contains("cannot be read"));
}
