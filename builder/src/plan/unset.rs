//! `--unset`: what the target's base image does not hand down. The Dockerfile may set it again.

use dhow_layer_store::oci::{ContainerConfig, ImageConfig};

use super::stages::{From, Stages};

/// Something that a base image does not hand down; without a name, all of the kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unset {
    /// Variables.
    Env(Option<String>),
    /// Labels.
    Label(Option<String>),
    /// Volumes, by their paths.
    Volume(Option<String>),
    /// Exposed ports, `PORT[/PROTOCOL]`.
    Expose(Option<String>),
    /// The health check.
    Healthcheck,
    /// The entrypoint.
    Entrypoint,
    /// The command.
    Cmd,
}

impl Unset {
    fn apply(&self, config: &mut ContainerConfig) {
        match self {
            Self::Env(name) => {
                config.env.retain(|entry| !is_meant(name.as_ref(), entry.split('=').next().unwrap_or(entry)));
            }
            Self::Label(name) => config.labels.retain(|label, _| !is_meant(name.as_ref(), label)),
            Self::Volume(path) => config.volumes.retain(|volume, _| !is_meant(path.as_ref(), volume)),
            Self::Expose(port) => {
                let port =
                    port.as_ref().map(|port| if port.contains('/') { port.clone() } else { format!("{port}/tcp") });
                config.exposed_ports.retain(|exposed, _| !is_meant(port.as_ref(), exposed));
            }
            Self::Healthcheck => config.healthcheck = None,
            Self::Entrypoint => config.entrypoint = None,
            Self::Cmd => config.cmd = None,
        }
    }
}

fn is_meant(wanted: Option<&String>, found: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == found)
}

/// Takes from the config of the base of stage `index` what the target is not to inherit.
pub(super) fn unset(stages: &Stages<'_>, index: usize, config: &mut ImageConfig) {
    let mut at = stages.target;
    while let From::Stage(below) = stages.nodes[at].base {
        at = below;
    }
    if at == index {
        stages.options.unset.iter().for_each(|unset| unset.apply(&mut config.config));
    }
}

#[cfg(test)]
mod tests {
    use dhow_layer_store::oci::{ContainerConfig, Empty, Healthcheck};

    use super::Unset;

    fn config() -> ContainerConfig {
        ContainerConfig {
            env: vec!["A=1".to_owned(), "AB=2".to_owned()],
            labels: [("x".to_owned(), "1".to_owned())].into(),
            volumes: [("/data".to_owned(), Empty {}), ("/more".to_owned(), Empty {})].into(),
            exposed_ports: [("80/tcp".to_owned(), Empty {}), ("80/udp".to_owned(), Empty {})].into(),
            healthcheck: Some(Healthcheck::default()),
            entrypoint: Some(vec!["e".to_owned()]),
            cmd: Some(vec!["c".to_owned()]),
            ..ContainerConfig::default()
        }
    }

    #[test]
    fn only_what_is_named_goes() {
        let name = |text: &str| Some(text.to_owned());
        type Change = fn(&mut ContainerConfig);
        let cases: [(Unset, Change); 9] = [
            (Unset::Env(name("A")), |config| drop(config.env.remove(0))),
            (Unset::Env(None), |config| config.env.clear()),
            (Unset::Label(name("y")), |_| ()),
            (Unset::Label(name("x")), |config| config.labels.clear()),
            (Unset::Volume(name("/data")), |config| config.volumes.retain(|path, _| path != "/data")),
            (Unset::Expose(name("80")), |config| config.exposed_ports.retain(|port, _| port != "80/tcp")),
            (Unset::Healthcheck, |config| config.healthcheck = None),
            (Unset::Entrypoint, |config| config.entrypoint = None),
            (Unset::Cmd, |config| config.cmd = None),
        ];
        for (unset, change) in cases {
            let (mut found, mut expected) = (config(), config());
            unset.apply(&mut found);
            change(&mut expected);
            assert_eq!(found, expected, "{unset:?}");
        }
    }
}
