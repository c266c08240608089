//! Whole builds on a busybox root, with real sandboxes.

#![allow(clippy::print_stderr, reason = "skips are said aloud")]

mod common;

use common::{Site, can_run, chain};

#[test]
fn a_file_and_a_config_need_no_sandbox() {
    let site = Site::new();
    site.write("app", "hello");
    let image = site.build("FROM scratch\nCOPY app /bin/app\nENV A=b\nWORKDIR /srv\nENTRYPOINT [\"/bin/app\"]\n");
    let config = site.config(&image);
    assert_eq!(config.config.entrypoint, Some(vec!["/bin/app".to_owned()]));
    assert_eq!(config.config.working_dir, "/srv");
    assert_eq!(config.rootfs.diff_ids.len(), 2);
    assert_eq!(site.files(&image, ""), " 755 0:0 /\nbin 755 0:0 /\nbin/app 644 0:0 hello\nsrv 755 0:0 /");
}

#[test]
fn a_command_changes_the_image_and_nothing_leaks_into_it() {
    if !can_run() {
        return;
    }
    let mut site = Site::new();
    site.run.resolv_conf = b"nameserver 192.0.2.1\n".to_vec();
    let image =
        site.build("FROM busybox\nRUN cat /etc/resolv.conf /etc/hosts && ls /proc/self/status && echo made > /made\n");
    assert!(site.output().contains("nameserver 192.0.2.1\n127.0.0.1\tlocalhost"), "{}", site.output());
    assert_eq!(site.top_layer(&image), ["made"]);
    assert_eq!(site.files(&image, "made"), "made 644 0:0 made");
    let scratch = site.build("FROM scratch\nCOPY --from=busybox /bin/busybox /true\nRUN [\"/true\"]\n");
    assert_eq!(site.top_layer(&scratch), ["dev", "proc", "sys"]);
}

#[test]
fn the_environment_is_the_dockerfiles() {
    if !can_run() {
        return;
    }
    let site = Site::new();
    site.build("FROM busybox\nARG V=1\nENV E=\"a b\" W=$V\nUSER alice:staff\nWORKDIR /w/x\nRUN env && id && pwd\n");
    let output = site.output();
    for line in ["V=1", "E=a b", "W=1", "HOME=/home/alice", "uid=1000(alice) gid=50(staff)", "/w/x"] {
        assert!(output.contains(line), "{line} in {output}");
    }
}

#[test]
fn failing_commands_name_their_exit_code() {
    if !can_run() {
        return;
    }
    let site = Site::new();
    for (run, code) in [("exit 7", 7), ("nosuchcommand", 127), ("[\"/nosuch\"]", 127), ("[\"/etc/passwd\"]", 126)] {
        let dockerfile = format!("FROM busybox\nRUN {run}\n");
        let error = site.fail(&dockerfile);
        assert_eq!(error.exit_code(), Some(code), "{}", chain(&error));
        let span = error.span().unwrap();
        assert_eq!(&dockerfile[span.range()], format!("RUN {run}"));
    }
}

#[test]
fn a_failed_build_keeps_the_steps_before() {
    if !can_run() {
        return;
    }
    let site = Site::new();
    site.fail("FROM busybox\nRUN echo one > /1\nRUN false\n");
    site.build("FROM busybox\nRUN echo one > /1\nRUN true\n");
    assert_eq!(site.steps(), ["RUN echo one > /1: cached", "RUN true: ran"]);
    let staged = std::fs::read_dir(site.store_dir.path().join("tmp")).unwrap().flatten();
    let left: usize = staged.map(|area| std::fs::read_dir(area.path()).unwrap().count()).sum();
    assert_eq!(left, 0);
}

#[test]
fn stages_run_in_parallel_and_copy_from_each_other() {
    if !can_run() {
        return;
    }
    let site = Site::new();
    let stage = |n: u32| format!("FROM busybox AS s{n}\nRUN sleep 1; echo {n} > /out\n");
    let copies: String = (0..4).map(|n| format!("COPY --from=s{n} /out /{n}\n")).collect();
    let dockerfile = (0..4).map(stage).collect::<String>() + "FROM scratch\n" + &copies;
    let start = std::time::Instant::now();
    let image = site.build(&dockerfile);
    let elapsed = start.elapsed();
    assert_eq!(site.files(&image, ""), " 755 0:0 /\n0 644 0:0 0\n1 644 0:0 1\n2 644 0:0 2\n3 644 0:0 3");
    assert!(elapsed.as_millis() < 3000, "{elapsed:?}");
}

#[test]
fn a_build_can_be_cancelled() {
    if !can_run() {
        return;
    }
    let site = Site::new();
    let start = std::time::Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(300));
            site.cancel.cancel();
        });
        let error = site.fail("FROM busybox\nRUN sleep 20\n");
        assert_eq!(chain(&error), "the build was cancelled");
    });
    assert!(start.elapsed().as_secs() < 5);
}

#[test]
fn mounts_show_what_they_say_and_leave_nothing() {
    if !can_run() {
        return;
    }
    let mut site = Site::new();
    site.run.secrets.insert("token".to_owned(), b"s3cret".to_vec());
    site.write("src/a", "A");
    let image = site.build(
        "FROM busybox AS tool\nRUN echo T > /t\nFROM busybox\n\
         RUN --mount=type=bind,source=src,target=/src,rw cat /src/a && touch /src/b\n\
         RUN --mount=type=bind,from=tool,target=/tool cat /tool/t\n\
         RUN --mount=type=cache,target=/cache touch /cache/kept && test ! -e /src\n\
         RUN --mount=type=cache,target=/cache ls /cache/kept\n\
         RUN --mount=type=tmpfs,target=/scratch touch /scratch/x\n\
         RUN --mount=type=secret,id=token test \"$(cat /run/secrets/token)\" = s3cret\n\
         RUN --mount=type=secret,id=token,env=TOKEN test \"$TOKEN\" = s3cret\n",
    );
    assert_eq!(site.files(&image, "src") + &site.files(&image, "cache") + &site.files(&image, "run"), "");
    let error = site.fail("FROM busybox\nRUN --mount=type=secret,id=other,required true\n");
    assert!(chain(&error).contains("the step needs the secret `other`, which was not given"), "{}", chain(&error));
}

#[test]
fn heredocs_and_archives() {
    if !can_run() {
        return;
    }
    let site = Site::new();
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(2);
    header.set_mode(0o640);
    header.set_uid(7);
    header.set_gid(8);
    header.set_cksum();
    tar.append_data(&mut header, "dir/in", &b"in"[..]).unwrap();
    site.write("a.tar", tar.into_inner().unwrap());
    let image = site.build(
        "FROM busybox\nCOPY <<EOF /x/one\n1\nEOF\nRUN <<EOF\necho two > /x/two\nEOF\nADD a.tar /x\nCOPY a.tar /y/\n\
         ADD --chown=5:6 a.tar /z\nRUN <<EOF\n#!/bin/sh\necho three > /x/three\nEOF\n",
    );
    assert_eq!(
        site.files(&image, "x"),
        "x 755 0:0 /\nx/dir 755 0:0 /\nx/dir/in 640 7:8 in\nx/one 644 0:0 1\nx/three 644 0:0 three\nx/two 644 0:0 two"
    );
    assert!(site.files(&image, "y/a.tar").starts_with("y/a.tar 644 0:0 "));
    assert!(site.files(&image, "z").contains("z/dir/in 640 7:8 in"), "{}", site.files(&image, "z"));
}

#[test]
fn what_cannot_be_done_yet_is_said_before_anything_is() {
    let site = Site::new();
    let error = site.fail("FROM scratch\nCOPY . /\nRUN --device=vendor.com/class=name true\n");
    assert_eq!(chain(&error).lines().nth(1), Some("`RUN --device=vendor.com/class=name` is not supported yet"));
    assert!(site.steps().is_empty());
}

#[test]
fn a_failing_step_stops_the_others() {
    if !can_run() {
        return;
    }
    let site = Site::new();
    let start = std::time::Instant::now();
    let error = site.fail(
        "FROM busybox AS a\nRUN sleep 20\nFROM busybox AS b\nRUN sleep 0.3; exit 3\nFROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\n",
    );
    assert_eq!(error.exit_code(), Some(3), "{}", chain(&error));
    assert!(start.elapsed().as_secs() < 10);
}

#[test]
fn a_full_disk_is_named_with_the_remedy_and_leaves_the_store_usable() {
    if !can_run() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mounted =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(dir.path()).status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("SKIP: cannot mount a tmpfs");
        return;
    }
    let site = Site::in_store(dir.path());
    site.write("big", vec![1; 40 << 20]);
    site.write("small", "S");
    let error = site.fail("FROM busybox\nCOPY big /big\n");
    let (text, hint) = (chain(&error), error.hint().unwrap_or_default());
    // On a busy machine the kernel takes its time to give the space back.
    let small = || site.try_build("FROM busybox\nCOPY small /small\n").map(|built| site.files(&built.image, "small"));
    let mut image = small();
    for _ in 0..50 {
        if image.is_ok() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        image = small();
    }
    drop(site);
    let unmounted = std::process::Command::new("umount").arg("-l").arg(dir.path()).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    assert!(text.contains("cannot copy `/big`") && text.contains("No space left on device"), "{text}");
    assert!(hint.contains("the disk is full"), "{hint}");
    assert_eq!(image.unwrap(), "small 644 0:0 S");
}
