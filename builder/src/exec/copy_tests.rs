//! What lands where: a table of trees before and after, in the words of [`write_tree`].

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use dhow_layer_store::{FileKind, Root, Store, StoreOptions};

use crate::cancel::CancelToken;
use crate::context::{BuildContext, Filter, select};
use crate::error::Result;
use crate::exec::place::{Destination, Landing};
use crate::ignore::IgnoreRules;
use crate::pattern_set::PatternSet;
use crate::plan::Mode;
use crate::source::SourceFile;

/// Makes files out of words: `dir/`, `file=content`, `link->target`, `hard==file`, each with an optional `@mode` behind.
fn write_tree(root: &Path, words: &str) {
    for word in words.split_whitespace() {
        let (word, mode) = word.split_once('@').unwrap_or((word, ""));
        let name = word.split(['=', '-']).next().unwrap().trim_end_matches('/');
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if word.ends_with('/') {
            fs::create_dir_all(&path).unwrap();
        } else if let Some((_, first)) = word.split_once("==") {
            fs::hard_link(root.join(first), &path).unwrap();
        } else if let Some((_, content)) = word.split_once('=') {
            fs::write(&path, content).unwrap();
        } else if let Some((_, target)) = word.split_once("->") {
            symlink(target, &path).unwrap();
        }
        if !mode.is_empty() {
            fs::set_permissions(&path, fs::Permissions::from_mode(u32::from_str_radix(mode, 8).unwrap())).unwrap();
        }
    }
}

/// The tree in the same words, sorted; modes only of what differs from 644 and 755.
fn read_tree(root: &Root, path: &Path, words: &mut Vec<String>) {
    for name in root.read_dir(path).unwrap() {
        let path = path.join(name);
        let metadata = root.stat(&path).unwrap().unwrap();
        let shown = path.display();
        let usual = if metadata.kind == FileKind::Directory { 0o755 } else { 0o644 };
        let mode = if metadata.mode == usual { String::new() } else { format!("@{:o}", metadata.mode) };
        match metadata.kind {
            FileKind::Directory => {
                words.push(format!("{shown}/{mode}"));
                read_tree(root, &path, words);
            }
            FileKind::Symlink => words.push(format!("{shown}->{}", root.read_link(&path).unwrap().display())),
            _ => {
                let content = std::io::read_to_string(root.open_file(&path).unwrap()).unwrap();
                let links = if metadata.links > 1 { "(linked)" } else { "" };
                words.push(format!("{shown}={content}{links}{mode}"));
            }
        }
    }
}

struct Case {
    context: &'static str,
    ignore: &'static str,
    image: &'static str,
    /// Flags, sources and destination as in the Dockerfile.
    copy: &'static str,
}

const NOTHING: Case = Case { context: "", ignore: "", image: "", copy: "" };

fn run(case: &Case) -> Result<String> {
    let (context, image, store) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_tree(context.path(), case.context);
    write_tree(image.path(), case.image);
    let store = Store::open(store.path(), StoreOptions::default()).unwrap();
    let ignore = IgnoreRules::parse(&SourceFile::new(".dockerignore", case.ignore)).unwrap();
    let context = BuildContext::open(context.path(), ignore, &store).unwrap();
    let root = Root::open(image.path()).unwrap();

    let words: Vec<&str> = case.copy.split_whitespace().collect();
    let (flags, paths): (Vec<&str>, Vec<&str>) = words.iter().partition(|word| word.starts_with("--"));
    let flag = |name: &str| flags.iter().filter_map(move |flag| flag.strip_prefix(name)).collect::<Vec<_>>();
    let excludes = flag("--exclude=");
    let exclude = (!excludes.is_empty()).then(|| PatternSet::new(excludes).unwrap());
    let include = flag("--include=").first().map(|pattern| PatternSet::new([*pattern]).unwrap());
    let chmod = flag("--chmod=").first().map(|mode| Mode::parse(mode).unwrap());
    let (destination, sources) = paths.split_last().unwrap();
    let landing = Landing {
        root: &root,
        destination: Path::new(destination),
        shape: if destination.ends_with('/') { Destination::Directory } else { Destination::Any },
        owner: None,
        chmod: chmod.as_ref(),
        threads: 2,
        cancel: &CancelToken::new(),
        changed: None,
    };
    for source in sources {
        for found in
            select(&context.tree(), Path::new(source), &Filter { exclude: exclude.clone(), include: include.clone() })?
        {
            landing.place(&context.tree(), &found)?;
        }
    }
    let mut words = Vec::new();
    read_tree(&root, Path::new(""), &mut words);
    Ok(words.join(" "))
}

fn check(case: &Case, expected: &str) {
    assert_eq!(run(case).unwrap(), expected, "COPY {}", case.copy);
}

#[test]
fn files_and_directories_land_where_docker_puts_them() {
    let context = "a=A b=B d/x=X d/e/y=Y@600 d/l->x";
    for (image, copy, expected) in [
        ("", "a /", "a=A"),
        ("", "a /new", "new=A"),
        ("", "a /new/", "new/ new/a=A"),
        ("", "a /p/q/new", "p/ p/q/ p/q/new=A"),
        ("opt/", "a /opt", "opt/ opt/a=A"),
        ("a=old", "a /", "a=A"),
        ("a->b b=keep", "a /", "a=A b=keep"),
        ("", "a b /to/", "to/ to/a=A to/b=B"),
        ("", "d /to", "to/ to/e/ to/e/y=Y@600 to/l->x to/x=X"),
        ("", "d/ /to/", "to/ to/e/ to/e/y=Y@600 to/l->x to/x=X"),
        ("to/@700 to/e/z=Z to/x=old@4755", "d /to", "to/@700 to/e/ to/e/y=Y@600 to/e/z=Z to/l->x to/x=X"),
        ("", "d/l /", "l=X"),
        ("", "d/e/../x /", "x=X"),
        ("", "../../a /", "a=A"),
        ("real/ lnk->real", "a /lnk", "lnk->real real/ real/a=A"),
        ("real/ lnk->real", "a /lnk/", "lnk->real real/ real/a=A"),
        ("real/ lnk->/real/new", "a /lnk/", "lnk->/real/new real/ real/new/ real/new/a=A"),
        ("lnk->/elsewhere/file", "a /lnk", "elsewhere/ elsewhere/file=A lnk->/elsewhere/file"),
        ("to/l=old", "d /to", "to/ to/e/ to/e/y=Y@600 to/l->x to/x=X"),
    ] {
        check(&Case { context, image, copy, ..NOTHING }, expected);
    }
}

#[test]
fn wildcards_select_by_name() {
    let context = "home.txt=1 hom.md=2 x.txt=3 d/home=4 d/f/a.c=5 e/f/b.c=6 [z]=7";
    for (copy, expected) in [
        ("hom* /t/", "t/ t/hom.md=2 t/home.txt=1"),
        ("ho?e.txt /t/", "t/ t/home.txt=1"),
        ("none* /t/", ""),
        ("*/f/*.c /t/", "t/ t/a.c=5 t/b.c=6"),
        ("*/f /t/", "t/ t/a.c=5 t/b.c=6"),
        ("[hx]*.txt /t/", "t/ t/home.txt=1 t/x.txt=3"),
        ("[[]z] /t/", "t/ t/[z]=7"),
        ("--exclude=*.txt hom* /t/", "t/ t/hom.md=2"),
        ("--exclude=f/*.c d /t/", "t/ t/f/ t/home=4"),
        ("--exclude=f d /t/", "t/ t/home=4"),
        ("--exclude=** --exclude=!home d /t/", "t/ t/home=4"),
        ("--include=*/f/*.c . /t/", "t/ t/d/ t/d/f/ t/d/f/a.c=5 t/e/ t/e/f/ t/e/f/b.c=6"),
    ] {
        check(&Case { context, copy, ..NOTHING }, expected);
    }
}

#[test]
fn links_that_lead_nowhere_cannot_be_selected() {
    let context = "d/a=A d/gone->none d/deep/gone->/none";
    for copy in ["d/g* /t/", "d/gone /t/", "d/* /t/"] {
        let error = run(&Case { context, copy, ..NOTHING }).unwrap_err();
        assert_eq!(error.to_string(), "`/d/gone` is a link to `none`, which is not there", "COPY {copy}");
    }
    check(&Case { context, copy: "d/d* /t/", ..NOTHING }, "t/ t/gone->/none");
    check(&Case { context, copy: "d/* /t/", ignore: "d/gone", ..NOTHING }, "t/ t/a=A t/gone->/none");
}

#[test]
fn ignored_files_are_not_there() {
    let context = "a=A log/x=1 log/keep=2 log/sub/y=3 Dockerfile=D .dockerignore=I";
    for (ignore, copy, expected) in [
        ("", ". /", ".dockerignore=I Dockerfile=D a=A log/ log/keep=2 log/sub/ log/sub/y=3 log/x=1"),
        ("log\n.dockerignore", ". /", "Dockerfile=D a=A"),
        ("log\n!log/keep\nD*\n.d*", ". /", "a=A log/ log/keep=2"),
        ("log\n!log/keep", "log /", "keep=2"),
        ("*\n!a", ". /", "a=A"),
        ("**/x", "log /", "keep=2 sub/ sub/y=3"),
        ("*", "no* /t/", ""),
        ("log", "l* /t/", ""),
    ] {
        check(&Case { context, ignore, copy, ..NOTHING }, expected);
    }
}

#[test]
fn modes_change_with_chmod() {
    let context = "f=F@600 d/g=G@640 d/s/@700";
    for (copy, expected) in [
        ("--chmod=0755 f /p/f", "p/ p/f=F@755"),
        ("--chmod=4711 d /d", "d/ d/g=G@4711 d/s/@4711"),
        ("--chmod=u=rwX,go=rX d /d", "d/ d/g=G d/s/"),
    ] {
        check(&Case { context, copy, ..NOTHING }, expected);
    }
}

#[test]
fn hard_links_stay_links() {
    check(&Case { context: "a=A b==a", copy: ". /", ..NOTHING }, "a=A(linked) b=A(linked)");
    check(&Case { context: "a=A b==a", copy: "a b /", ..NOTHING }, "a=A b=A");
}

#[test]
fn what_cannot_be_copied_is_an_error_that_says_why() {
    let context = "app.py=A lib/util.py=B secret=S";
    for (ignore, image, copy, expected, hint) in [
        ("", "", "ap.py /", "`/ap.py`: no such file or directory", Some("did you mean `app.py`?")),
        ("", "", "lib/utils.py /", "`/lib/utils.py`: no such file or directory", Some("did you mean `lib/util.py`?")),
        (
            "x\nsecret",
            "",
            "secret /",
            "`/secret`: excluded by line 2 of .dockerignore (`secret`)",
            Some("add `!secret` below that line, or remove the pattern"),
        ),
        (
            "lib",
            "",
            "lib/util.py /",
            "`/lib/util.py`: excluded by line 1 of .dockerignore (`lib`)",
            Some("add `!lib/util.py` below that line, or remove the pattern"),
        ),
        ("", "f=F", "lib /f", "cannot copy a directory over a file at `/f`", None),
        ("", "t/app.py/", "app.py /t/", "cannot copy a file over a directory at `/t/app.py`", None),
        ("", "t/lib=F", ". /t/", "cannot copy a directory over a file at `/t/lib`", None),
    ] {
        let error = run(&Case { context, ignore, image, copy }).unwrap_err();
        assert_eq!(error.to_string(), expected);
        if hint.is_some() {
            assert_eq!(error.hint().as_deref(), hint);
        }
    }
}
