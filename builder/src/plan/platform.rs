//! The platform in the name of a step: that of its stage, and what it builds for where the stage asks.
//!
//! `linux/amd64->arm64` is how BuildKit names a step of a cross-compiling stage.

use dhow_layer_store::oci::{ImageConfig, Platform};

use crate::dockerfile::env::Env;

/// The platform of a stage that stands on `config`.
pub(super) fn of_stage(config: &ImageConfig) -> String {
    config.platform().normal().to_string()
}

/// The platform of a stage, with that which its declared arguments tell a step to build for.
pub(super) fn of_step(config: &ImageConfig, env: &Env) -> String {
    let own = config.platform().normal();
    let target = target(env, &own);
    match target {
        Some(target) if target.os != own.os => format!("{own}->{target}"),
        Some(target) if target.architecture != own.architecture => {
            let variant = target.variant.map(|variant| format!("/{variant}")).unwrap_or_default();
            format!("{own}->{}{variant}", target.architecture)
        }
        _ => own.to_string(),
    }
}

fn target(env: &Env, own: &Platform) -> Option<Platform> {
    if let Some(whole) = env.get("TARGETPLATFORM") {
        return whole.parse().ok();
    }
    let (os, architecture, variant) = (env.get("TARGETOS"), env.get("TARGETARCH"), env.get("TARGETVARIANT"));
    os.or(architecture)?;
    let target = Platform {
        os: os.unwrap_or(&own.os).to_owned(),
        architecture: architecture.unwrap_or(&own.architecture).to_owned(),
        os_version: None,
        variant: variant.filter(|variant| !variant.is_empty()).map(str::to_owned),
    };
    Some(target.normal())
}

#[cfg(test)]
mod tests {
    use dhow_layer_store::oci::ImageConfig;

    use super::of_step;
    use crate::dockerfile::env::Env;

    #[test]
    fn a_step_is_named_by_its_platform_and_by_what_it_builds_for() {
        for (stage, variables, expected) in [
            ("linux/amd64", &[][..], "linux/amd64"),
            ("linux/arm64/v8", &[("TARGETARCH", "arm64")], "linux/arm64"),
            ("linux/amd64", &[("TARGETARCH", "arm64")], "linux/amd64->arm64"),
            ("linux/amd64", &[("TARGETPLATFORM", "linux/arm/v6")], "linux/amd64->arm/v6"),
            ("linux/amd64", &[("TARGETOS", "windows")], "linux/amd64->windows/amd64"),
            ("linux/amd64", &[("TARGETVARIANT", "v7")], "linux/amd64"),
        ] {
            let mut env = Env::new();
            variables.iter().for_each(|(name, value)| env.set(*name, *value));
            let config = ImageConfig::new(&stage.parse().unwrap());
            assert_eq!(of_step(&config, &env), expected, "{stage} {variables:?}");
        }
    }
}
