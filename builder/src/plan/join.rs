//! The plans of several platforms as one: what they have in common is one step.

use std::collections::HashMap;

use super::graph::{Node, NodeId, Plan};

/// One plan with the images of all of `plans`, which are of one Dockerfile with the same arguments; in their order. Nodes
/// that do the same with the same inputs become one, with the name that the first of them has.
///
/// Returns nothing for no plan.
pub fn join(plans: Vec<Plan>) -> Option<Plan> {
    let mut plans = plans.into_iter();
    let mut joint = plans.next()?;
    for plan in plans {
        let places = add(&mut joint.nodes, plan.nodes);
        for mut image in plan.images {
            image.relocate(|id| places[id.0]);
            joint.images.push(image);
        }
        for warning in plan.warnings {
            if !joint.warnings.contains(&warning) {
                joint.warnings.push(warning);
            }
        }
    }
    Some(joint)
}

/// Adds what is not there yet; returns where each node is then.
fn add(nodes: &mut Vec<Node>, more: Vec<Node>) -> Vec<NodeId> {
    // Nodes of different instructions, or with different inputs, are never the same: few are left to compare.
    let place = |node: &Node| (node.stage.map(|_| node.span), node.inputs.clone());
    let mut known: HashMap<_, Vec<NodeId>> = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        known.entry(place(node)).or_default().push(NodeId(index));
    }
    let mut places = Vec::with_capacity(more.len());
    for mut node in more {
        node.relocate(|id: NodeId| places[id.0]);
        let alike = known.entry(place(&node)).or_default();
        let same = alike.iter().copied().find(|id| nodes[id.0].op == node.op);
        places.push(same.unwrap_or_else(|| {
            nodes.push(node);
            alike.push(NodeId(nodes.len() - 1));
            NodeId(nodes.len() - 1)
        }));
    }
    places
}

#[cfg(test)]
mod tests {
    use dhow_layer_store::oci::{ImageConfig, Platform};

    use super::join;
    use crate::dockerfile::parse;
    use crate::plan::{Bases, Options, Plan, StepNames, bases, lower};
    use crate::source::SourceFile;

    fn plan(text: &str, platform: &str) -> Plan {
        let source = SourceFile::new("Dockerfile", text);
        let host: Platform = "linux/amd64".parse().unwrap();
        let platform = Some(platform.parse().unwrap());
        let options = Options { platform, step_names: StepNames::WithPlatform, ..Options::new(host) };
        let parsed = parse(&source);
        let mut known = Bases::new();
        for base in bases(&parsed.dockerfile, &options, &known).unwrap() {
            let config = ImageConfig::new(&base.image.platform);
            known.insert(base.image, config);
        }
        lower(&parsed.dockerfile, &options, &known).unwrap()
    }

    #[test]
    fn steps_of_the_builders_platform_are_there_once() {
        let text = "FROM --platform=$BUILDPLATFORM base AS tools\nRUN make tools\n\
                    FROM --platform=$BUILDPLATFORM base AS build\nARG TARGETARCH\nCOPY --from=tools /t /t\nRUN make\n\
                    FROM base\nCOPY --from=build /out /\n";
        let joint = join(["linux/arm64", "linux/amd64"].map(|platform| plan(text, platform)).into()).unwrap();
        let names: Vec<&str> = joint.nodes.iter().map(|node| node.display.as_str()).collect();
        let expected = [
            "[linux/amd64 tools 1/2] FROM base:latest",
            "[linux/amd64 tools 2/2] RUN make tools",
            "[linux/amd64->arm64 build 2/3] COPY --from=tools /t /t",
            "[linux/amd64->arm64 build 3/3] RUN make",
            "[linux/arm64 stage-2 1/2] FROM base:latest",
            "[linux/arm64 stage-2 2/2] COPY --from=build /out /",
            "[linux/amd64 build 3/3] RUN make",
            "[linux/amd64 stage-2 2/2] COPY --from=build /out /",
        ];
        assert_eq!(names, expected);
        for (index, node) in joint.nodes.iter().enumerate() {
            assert!(node.inputs.iter().all(|input| input.0 < index), "{node:?}");
        }
        let [arm, amd] = &joint.images[..] else { panic!("two images") };
        assert_eq!((arm.target.0, amd.target.0, amd.base.0), (5, 7, 0));
        assert_eq!(amd.config.architecture, "amd64");
    }

    #[test]
    fn a_base_is_the_same_wherever_it_is_named_first() {
        let text = "FROM base AS one\nRUN a\nFROM --platform=$BUILDPLATFORM base\nRUN b\nCOPY --from=one /a /\n";
        let joint = join(["linux/arm64", "linux/amd64"].map(|platform| plan(text, platform)).into()).unwrap();
        let bases = joint.nodes.iter().filter(|node| node.stage.is_none()).count();
        let runs = joint.nodes.iter().filter(|node| node.display.ends_with("RUN b")).count();
        assert_eq!((bases, runs), (2, 1));
    }

    #[test]
    fn one_plan_stays_as_it_is() {
        let alone = plan("FROM base\nRUN a\nRUN a\n", "linux/arm64");
        assert_eq!(join(vec![alone.clone()]).unwrap().nodes, alone.nodes);
        assert!(join(Vec::new()).is_none());
    }
}
