use dhow_builder::*;
use dhow_builder::{ignore::IgnoreRules, plan::Options, source::SourceFile};
use dhow_layer_store::oci::*;
use dhow_layer_store::{Stack, Store, StoreOptions};
use std::path::Path;
use std::time::Instant;
struct Src<'a>(&'a Store);
impl ImageSource for Src<'_> {
    fn resolve(&self, r: &Reference, _: &Platform, _: PullPolicy) -> std::result::Result<ResolvedImage, SourceError> {
        let f = self.0.find(&r.familiar())?.ok_or("none")?;
        let i = self.0.image(&f.image)?;
        Ok(ResolvedImage { digest: i.config.digest(), config: i.config.value().clone(), stack: i.stack() })
    }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let t0 = Instant::now();
    let store = Store::open(Path::new(&a[1]), StoreOptions::default()).unwrap();
    if a[2] == "import" {
        let snapshot = store.prepare(&Stack::default()).unwrap();
        let mut c = std::process::Command::new("true");
        let _ = c.status();
        let tar = std::fs::File::open(&a[3]).unwrap();
        dhow_layer_store::unpack(tar, snapshot.root(), dhow_layer_store::Whiteouts::Literal).unwrap();
        let layer = snapshot.commit().unwrap();
        let mut image = ImageConfig::new(&Platform::host());
        image.rootfs.diff_ids.push(layer.diff_id().unwrap());
        let raw = Raw::create(image).unwrap();
        let id = store.add_image(&raw, MediaType::OciConfig, &[layer.id().clone()], None).unwrap();
        store.tag(&a[4].parse().unwrap(), &id, None).unwrap();
        return;
    }
    let df = SourceFile::new("Dockerfile", std::fs::read(&a[2]).unwrap());
    let ign = std::fs::read(Path::new(&a[3]).join(".dockerignore")).unwrap_or_default();
    let ign = IgnoreRules::parse(&SourceFile::new(".dockerignore", ign)).unwrap();
    let t1 = Instant::now();
    let ctx = BuildContext::open(Path::new(&a[3]), ign, &store).unwrap();
    let run = RunDefaults::default();
    let req = BuildRequest {
        dockerfile: &df,
        options: &Options::new(Platform::host()),
        context: Some(&ctx),
        cache: if a.len() > 4 { CacheUse::Ignore } else { CacheUse::Use },
        pull: PullPolicy::Missing,
        jobs: std::thread::available_parallelism().unwrap(),
        run: &run,
    };
    let sink = |e: Event| {
        if std::env::var_os("V").is_some() {
            eprintln!("{:?} {e:?}", t0.elapsed())
        }
    };
    let r = build(&req, BuildEnv { store: &store, images: &Src(&store), events: &sink, cancel: &CancelToken::new() });
    println!("{:?} open {:?} total {:?}", r.map(|b| b.image.to_string()), t1 - t0, t0.elapsed());
}
