//! Tool-chains: where they live, what of them a build reads, and which caches it writes.
//!
//! Caches are private: a build may fill them, the host's stay as they are, so that nothing which the command puts there
//! is built into another project later.

use ringfence_plan::Access;

/// One directory of a tool-chain, granted where it exists.
pub(crate) struct ToolChain {
    /// A variable that moves its root, and that then passes.
    pub(crate) variable: Option<&'static str>,
    /// The root otherwise, below HOME; empty where only the variable tells.
    pub(crate) root: &'static str,
    /// What below the root; empty for all of it.
    pub(crate) below: &'static str,
    /// How.
    pub(crate) access: Access,
    /// Why.
    pub(crate) why: &'static str,
}

const fn tool(
    variable: Option<&'static str>,
    root: &'static str,
    below: &'static str,
    access: Access,
    why: &'static str,
) -> ToolChain {
    ToolChain { variable, root, below, access, why }
}

use Access::{Private, Read};

/// The table. A row costs one stat(2) at start, a private row that exists one overlay mount.
pub(crate) const TOOL_CHAINS: &[ToolChain] = &[
    tool(Some("RUSTUP_HOME"), ".rustup", "", Read, "Rust's compilers"),
    tool(Some("CARGO_HOME"), ".cargo", "", Private, "cargo's programs and registry cache"),
    tool(Some("NVM_DIR"), ".nvm", "", Read, "versions of node"),
    tool(Some("VOLTA_HOME"), ".volta", "", Read, "versions of node"),
    tool(Some("FNM_DIR"), ".local/share/fnm", "", Read, "versions of node"),
    tool(None, ".npm", "", Private, "npm's cache"),
    tool(Some("PYENV_ROOT"), ".pyenv", "", Read, "versions of Python"),
    tool(None, ".local/share/uv", "", Read, "Pythons and tools of uv"),
    tool(Some("UV_CACHE_DIR"), ".cache/uv", "", Private, "uv's cache"),
    tool(Some("PIP_CACHE_DIR"), ".cache/pip", "", Private, "pip's cache"),
    tool(Some("GOROOT"), "", "", Read, "Go's compiler"),
    tool(Some("GOPATH"), "go", "bin", Read, "programs installed with go install"),
    tool(Some("GOPATH"), "go", "pkg/mod", Private, "Go's modules"),
    tool(Some("GOCACHE"), ".cache/go-build", "", Private, "Go's build cache"),
    tool(Some("JAVA_HOME"), "", "", Read, "Java"),
    tool(Some("SDKMAN_DIR"), ".sdkman", "candidates", Read, "versions of Java and its tools"),
    tool(None, ".m2", "repository", Private, "Maven's artefacts"),
    tool(Some("GRADLE_USER_HOME"), ".gradle", "caches", Private, "Gradle's artefacts"),
    tool(Some("GRADLE_USER_HOME"), ".gradle", "wrapper", Private, "Gradle itself"),
    tool(Some("RBENV_ROOT"), ".rbenv", "", Read, "versions of Ruby"),
    tool(None, ".gem", "ruby", Private, "gems of the user"),
    // Without a name and an address git refuses to commit. They may hold aliases and filters, which run inside the
    // fence like anything else; credentials stand in other files, which are hidden.
    tool(None, ".gitconfig", "", Read, "git's name and address for commits"),
    tool(None, ".config/git", "config", Read, "git's name and address for commits"),
    tool(None, ".config/git", "ignore", Read, "what git ignores everywhere"),
    tool(None, ".config/git", "attributes", Read, "attributes that git applies everywhere"),
];

/// A file that shows a directory to be the root of a tool-chain and nothing else, with what it is. A directory on PATH
/// whose parent has one is granted as a whole; otherwise only the directory with the programs.
pub(crate) const PREFIX_MARKS: &[(&str, &str)] = &[
    ("conda-meta", "a conda environment"),
    ("pyvenv.cfg", "a Python environment"),
    ("include/node/node.h", "node"),
    ("lib/modules", "a Java development kit"),
    ("pkg/tool", "Go"),
];
