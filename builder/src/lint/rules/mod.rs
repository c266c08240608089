//! Every rule.

mod apt_install_without_update;
mod apt_lists_left;
mod consistent_instruction_casing;
mod context_before_dependencies;
mod copy_ignored_file;
mod duplicate_stage_name;
mod expose_invalid_format;
mod expose_proto_casing;
mod from_as_casing;
mod from_platform_flag_const_disallowed;
mod heredoc_without_errexit;
mod invalid_base_image_platform;
mod invalid_default_arg_in_from;
mod invalid_definition_description;
mod json_args_recommended;
mod legacy_key_value_format;
mod maintainer_deprecated;
mod multiple_instructions_disallowed;
mod no_empty_continuation;
mod prefer_copy;
mod redundant_target_platform;
mod reserved_stage_name;
mod secret_in_image;
mod secrets_used_in_arg_or_env;
mod stage_name_casing;
mod undefined_arg_in_from;
mod undefined_var;
mod unpinned_base;
mod unreachable_stage;
mod workdir_relative_path;

use super::rule::Rule;

/// The rules: first those of the reference, in the order in which it came to have them, then our own.
pub static RULES: [Rule; 30] = [
    stage_name_casing::RULE,
    from_as_casing::RULE,
    no_empty_continuation::RULE,
    consistent_instruction_casing::RULE,
    duplicate_stage_name::RULE,
    reserved_stage_name::RULE,
    json_args_recommended::RULE,
    maintainer_deprecated::RULE,
    undefined_arg_in_from::RULE,
    workdir_relative_path::RULE,
    undefined_var::RULE,
    multiple_instructions_disallowed::RULE,
    legacy_key_value_format::RULE,
    invalid_base_image_platform::RULE,
    redundant_target_platform::RULE,
    secrets_used_in_arg_or_env::RULE,
    invalid_default_arg_in_from::RULE,
    from_platform_flag_const_disallowed::RULE,
    copy_ignored_file::RULE,
    invalid_definition_description::RULE,
    expose_proto_casing::RULE,
    expose_invalid_format::RULE,
    heredoc_without_errexit::RULE,
    apt_install_without_update::RULE,
    apt_lists_left::RULE,
    prefer_copy::RULE,
    secret_in_image::RULE,
    unpinned_base::RULE,
    context_before_dependencies::RULE,
    unreachable_stage::RULE,
];

/// The rules of the reference; the others are our own.
pub static REFERENCE_RULES: &[Rule] = RULES.split_at(22).0;
