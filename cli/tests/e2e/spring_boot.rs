//! The image of many a tutorial: one application file on a base, built again and again under new tags.

use std::process::Command;

use crate::context::{BUSYBOX, context, import_busybox, text};
use crate::dhow::Dhow;
use crate::skip::need;

#[test]
fn same_input_same_id_and_a_changed_label_another() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let dockerfile = format!(
        "FROM {BUSYBOX}\nLABEL version=\"1.0\"\nEXPOSE 60431\nWORKDIR /opt\nCOPY target/app.jar app.jar\n\
         ENTRYPOINT [\"/bin/cat\", \"/opt/app.jar\"]\n"
    );
    let folder =
        context(&dhow, "spring", &[("Dockerfile", &dockerfile), ("target/app.jar", "bytes of an application\n")]);
    let build = |tag: &str| -> String {
        let iid = dhow.folder().join("iid");
        dhow.ok(["build", "--iidfile", text(&iid), "-t", tag, text(&folder)]);
        std::fs::read_to_string(iid).expect("the id file")
    };
    let first = build("app:1.0");
    let second = build("app:2.0");
    assert_eq!(first, second, "the same input gives the same image");
    let dockerfile = folder.join("Dockerfile");
    let sed = Command::new("sed").args(["-i", "s/version=\"1.0\"/version=\"3.0\"/"]).arg(dockerfile).status();
    assert!(sed.expect("sed runs").success());
    let third = build("app:3.0");
    assert_ne!(first, third, "a changed label is another image");

    let rows = dhow.ok(["images", "--no-trunc", "--format", "{{.Tag}} {{.ID}}", "app"]);
    let mut rows: Vec<_> = rows.lines().collect();
    rows.sort_unstable();
    let expected = [format!("1.0 {first}"), format!("2.0 {first}"), format!("3.0 {third}")];
    assert_eq!(rows, expected);
    let config = dhow.ok(["inspect", "--format", "{{json .Config.ExposedPorts}} {{.Config.WorkingDir}}", "app:3.0"]);
    assert_eq!(config.trim(), "{\"60431/tcp\":{}} /opt");
    assert_eq!(dhow.ok(["run", "--rm", "app:2.0"]), "bytes of an application\n");
}

#[test]
fn a_second_build_is_all_cache_and_a_change_reruns_what_depends_on_it() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    // Each RUN leaves a random number: it stays the same exactly as long as the step is not run again.
    let random = "head -c 8 /dev/urandom | od -An -tx1";
    let dockerfile = format!(
        "FROM {BUSYBOX} AS side\nRUN {random} > /side\nFROM {BUSYBOX}\nARG USED\nRUN {random} > /one\n\
         COPY file /file\nRUN {random} > /two\nCOPY --from=side /side /side\nCMD cat /one /two /side\n"
    );
    let folder = context(&dhow, "cached", &[("Dockerfile", &dockerfile), ("file", "1\n"), ("unused", "1\n")]);
    let build = |options: &[&str]| -> Vec<String> {
        let mut arguments = vec!["build", "-t", "cached"];
        arguments.extend(options);
        arguments.push(text(&folder));
        dhow.ok(arguments);
        dhow.ok(["run", "--rm", "cached"]).lines().map(str::to_owned).collect()
    };
    let changed =
        |before: &[String], after: &[String]| -> Vec<bool> { before.iter().zip(after).map(|(a, b)| a != b).collect() };
    let first = build(&[]);
    assert_eq!(first.len(), 3, "{first:?}");
    assert_eq!(changed(&first, &build(&[])), [false, false, false], "nothing changed");
    std::fs::write(folder.join("unused"), "2\n").expect("writes a file");
    assert_eq!(changed(&first, &build(&[])), [false, false, false], "a file that nothing copies");
    std::fs::write(folder.join("file"), "2\n").expect("writes a file");
    let second = build(&[]);
    assert_eq!(changed(&first, &second), [false, true, false], "a copied file");
    let third = build(&["--build-arg", "USED=x"]);
    assert_eq!(changed(&second, &third), [true, true, false], "a used build argument");
    assert_eq!(changed(&third, &build(&["--no-cache"])), [true, true, true], "without cache");
}
