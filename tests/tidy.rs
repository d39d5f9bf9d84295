//! The repository's own rules, as tests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot read the repository has failed"
)]

use std::path::{Path, PathBuf};

use crackers_tests::stack::repository;

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir()
            && !matches!(
                name.as_str(),
                "target" | "node_modules" | "dist" | "data" | ".git"
            )
        {
            found.extend(files(&path, ending));
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn each_layer_of_the_origin_looks_down_only() {
    let origin = repository().join("origin/src");
    for (folder, forbidden) in [
        (
            "commerce",
            &[
                "crate::api",
                "crate::accept",
                "crate::assets",
                "hyper::",
                "rusqlite",
                "mongodb::",
            ][..],
        ),
        (
            "database",
            &["crate::api", "crate::accept", "crate::assets", "hyper::"],
        ),
        ("api", &["rusqlite", "mongodb::"]),
    ] {
        for file in files(&origin.join(folder), ".rs") {
            for name in forbidden {
                assert!(
                    !text(&file).contains(name),
                    "{} knows {name}",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn every_stage_has_its_folder_its_section_and_its_place_in_the_architecture() {
    let architecture = text(&repository().join("ARCHITECTURE.md"));
    for (program, config, stages) in [
        (
            "proxy",
            "conf/proxy.yaml",
            &[
                "accept",
                "admit",
                "cache",
                "dispatch",
                "forward",
                "respond",
                "telemetry",
            ][..],
        ),
        (
            "origin",
            "conf/origin.yaml",
            &[
                "accept",
                "api",
                "assets",
                "commerce",
                "database",
                "outbox",
                "services",
                "telemetry",
            ],
        ),
    ] {
        let yaml: serde_yaml::Value =
            serde_yaml::from_str(&text(&repository().join(config))).unwrap();
        let sections: Vec<_> = yaml
            .as_mapping()
            .unwrap()
            .keys()
            .map(|key| key.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(sections, stages, "{config}");
        for stage in stages {
            assert!(
                repository().join(program).join("src").join(stage).is_dir(),
                "{program} {stage}"
            );
            assert!(architecture.contains(&format!("**{stage}**")), "{stage}");
        }
    }
}

#[test]
fn every_configuration_file_parses() {
    for file in files(&repository().join("conf"), ".yaml") {
        serde_yaml::from_str::<serde_yaml::Value>(&text(&file))
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

#[test]
fn only_the_shared_crate_reads_the_environment() {
    for program in ["proxy/src", "origin/src"] {
        for file in files(&repository().join(program), ".rs") {
            assert!(!text(&file).contains("env::var"), "{}", file.display());
        }
    }
}

#[test]
fn no_source_file_is_longer_than_400_lines() {
    for file in files(&repository(), ".rs")
        .into_iter()
        .chain(files(&repository(), ".tsx"))
    {
        let lines = text(&file).lines().count();
        assert!(lines <= 400, "{}: {lines}", file.display());
    }
}

#[test]
fn lock_files_name_no_registry_but_the_default() {
    for (file, allowed) in [
        (
            "Cargo.lock",
            "registry+https://github.com/rust-lang/crates.io-index",
        ),
        (
            "origin/storefront/package-lock.json",
            "https://registry.npmjs.org/",
        ),
    ] {
        for line in text(&repository().join(file)).lines() {
            let names_source = line.starts_with("source = ") || line.contains("\"resolved\": ");
            assert!(!names_source || line.contains(allowed), "{file}: {line}");
        }
    }
}

#[test]
fn the_top_level_holds_what_the_layout_names() {
    let listed = std::process::Command::new("git")
        .args(["ls-tree", "--name-only", "HEAD"])
        .current_dir(repository())
        .output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let known = [
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "Makefile",
        "README.md",
        "benches",
        "conf",
        "docker",
        "origin",
        "proxy",
        "shared",
        "tests",
    ];
    for name in listed.lines().filter(|name| !name.starts_with('.')) {
        assert!(known.contains(&name), "{name}");
    }
}

#[test]
fn the_changelog_has_a_place_for_what_comes() {
    assert!(text(&repository().join("CHANGELOG.md")).contains("## Unreleased"));
}

#[test]
fn every_requirement_of_the_cache_names_a_test_that_exists() {
    let cache = repository().join("proxy/src/cache");
    let mut edge = files(&repository().join("proxy/src"), ".rs");
    edge.extend(files(&repository().join("tests"), ".rs"));
    let sources: String = edge.iter().map(|file| text(file)).collect();
    let list = text(&cache.join("requirements.md"));
    let rows = list.lines().filter(|line| line.starts_with("| ")).skip(1);
    for row in rows {
        let shown = row
            .trim_end_matches([' ', '|'])
            .rsplit(" | ")
            .next()
            .unwrap();
        let is_there = sources.contains(&format!("fn {}()", shown.trim_matches('`')));
        assert!(is_there || shown.starts_with("no: "), "{row}");
    }
}

/// A folder of links to every tool that the first step needs, but for one.
fn tools_without(missing: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for tool in "make bash sh env sed sort head cut grep expand cargo rustc cc cmake node npm curl python3 git".split(' ') {
        let found = std::env::split_paths(&path).map(|one| one.join(tool));
        if let Some(found) = found.into_iter().find(|one| one.exists())
            && tool != missing
        {
            std::os::unix::fs::symlink(found, folder.path().join(tool)).unwrap();
        }
    }
    folder
}

#[test]
fn a_missing_tool_is_named_with_its_install_line_before_anything_is_built() {
    for (missing, line) in [
        ("cmake", "apt install cmake"),
        ("node", "https://nodejs.org, 20.19 or newer"),
        ("cc", "apt install build-essential"),
    ] {
        for target in ["run", "test"] {
            let tools = tools_without(missing);
            let mut make = std::process::Command::new(tools.path().join("make"));
            let make = make.arg(target).current_dir(repository());
            let ended = make.env("PATH", tools.path()).output().unwrap();
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert!(!ended.status.success(), "make {target} without {missing}");
            let wanted = format!("missing: {missing}    install it with: {line}");
            assert!(
                said.contains(&wanted),
                "make {target} without {missing}: {said}"
            );
            let built = String::from_utf8_lossy(&ended.stdout).into_owned();
            assert!(!built.contains("building"), "make {target}: {built}");
        }
    }
}
