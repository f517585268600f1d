//! Names that a command must not change although it may write all around them: somebody else runs or believes them
//! later, outside of the fence.
//!
//! Not everything that is run later (Makefile, package.json, workflows): such files are what a developer asks an agent
//! to edit, and a diff shows them before they run.

const GIT: &str = "git runs it, or reads from it what to run";
const GIT_POINTER: &str = "it tells git which directory to take configuration and hooks from";
const AGENT: &str = "an agent outside of the fence takes its permissions and hooks from it";
const EDITOR: &str = "an editor runs tasks and settings from it when the directory is opened";
const DIRENV: &str = "direnv runs it when somebody enters the directory";
const OWN: &str = "the next run takes its rules from it";

/// In every writable tree: pattern and reason.
pub(crate) const NAMES: &[(&str, &str)] = &[
    ("**/.git/hooks", GIT),
    ("**/.git/config", GIT),
    ("**/.git/config.worktree", GIT),
    ("**/.git/info/attributes", "it selects filters, and git runs filters"),
    ("**/.git/commondir", GIT_POINTER),
    // A submodule's name may hold slashes, so any depth. No exception for `refs` below: a submodule may be called
    // `refs`, and the exception would free its hooks. The price is that a submodule has no branch called `config`.
    ("**/.git/modules/**/hooks", GIT),
    ("**/.git/modules/**/config", GIT),
    ("**/.git/modules/**/config.worktree", GIT),
    ("**/.git/modules/**/info/attributes", "it selects filters, and git runs filters"),
    ("**/.git/modules/**/commondir", GIT_POINTER),
    ("**/.git/worktrees/*/gitdir", GIT_POINTER),
    ("**/.git/worktrees/*/commondir", GIT_POINTER),
    ("**/.git/worktrees/*/config", GIT),
    ("**/.git/worktrees/*/config.worktree", GIT),
    ("**/.git/worktrees/*/hooks", GIT),
    ("**/.gitmodules", "its addresses and update commands become configuration"),
    // Hooks by another name: husky points core.hooksPath at it, so the next commit outside runs it.
    ("**/.husky", GIT),
    ("**/.claude/settings.json", AGENT),
    ("**/.claude/settings.local.json", AGENT),
    ("**/.claude/commands", AGENT),
    ("**/.claude/agents", AGENT),
    ("**/.claude/hooks", AGENT),
    ("**/.claude/skills", AGENT),
    ("**/.claude/plugins", AGENT),
    ("**/.mcp.json", AGENT),
    ("**/.codex", AGENT),
    ("**/.agents", AGENT),
    ("**/.cursor", AGENT),
    ("**/.gemini", AGENT),
    ("**/.github/copilot*", AGENT),
    ("**/.github/hooks", AGENT),
    ("**/.opencode", AGENT),
    ("**/opencode.json", AGENT),
    ("**/opencode.jsonc", AGENT),
    ("**/.amp", AGENT),
    ("**/.kiro", AGENT),
    ("**/.windsurf", AGENT),
    ("**/.aider.conf.yml", AGENT),
    ("**/.vscode", EDITOR),
    ("**/*.code-workspace", EDITOR),
    ("**/.idea", EDITOR),
    ("**/.zed", EDITOR),
    ("**/.devcontainer", EDITOR),
    ("**/.devcontainer.json", EDITOR),
    ("**/.vim", EDITOR),
    ("**/.vimrc", EDITOR),
    ("**/.nvimrc", EDITOR),
    ("**/.nvim.lua", EDITOR),
    ("**/.exrc", EDITOR),
    ("**/.dir-locals.el", EDITOR),
    ("**/.envrc", DIRENV),
    ("**/ringfence.toml", OWN),
    ("**/.ringfence", OWN),
];

/// Exceptions: packages ship such directories, nobody opens an editor or agent in there, and an install must be able
/// to unpack them. Nothing of git is among them.
pub(crate) const EXCEPT: &[&str] = &[
    "**/node_modules/**/.vscode",
    "**/node_modules/**/*.code-workspace",
    "**/node_modules/**/.idea",
    "**/node_modules/**/.zed",
    "**/node_modules/**/.devcontainer",
    "**/node_modules/**/.claude",
    "**/node_modules/**/.cursor",
    "**/node_modules/**/.github",
    "**/node_modules/**/.mcp.json",
    "**/node_modules/**/.husky",
];

const LOGIN: &str = "a shell runs it at the next login";

/// Below HOME, where a policy makes HOME writable: names and reason.
pub(crate) const IN_HOME: &[(&str, &str)] = &[
    (".gitconfig", GIT),
    (".config/git", GIT),
    (".bashrc", LOGIN),
    (".bash_profile", LOGIN),
    (".bash_login", LOGIN),
    (".bash_logout", LOGIN),
    (".bash_aliases", LOGIN),
    (".profile", LOGIN),
    (".zshrc", LOGIN),
    (".zprofile", LOGIN),
    (".zshenv", LOGIN),
    (".zlogin", LOGIN),
    (".zlogout", LOGIN),
    (".inputrc", LOGIN),
    (".pam_environment", LOGIN),
    (".config/fish", LOGIN),
    (".config/environment.d", LOGIN),
    (".xprofile", "the desktop runs it at the next login"),
    (".xsessionrc", "the desktop runs it at the next login"),
    (".config/autostart", "the desktop runs it at the next login"),
    (".config/systemd", "the user's service manager runs it"),
    (".local/share/systemd", "the user's service manager runs it"),
    (".local/share/applications", "the desktop runs it on a click"),
    (".local/bin", "on the PATH of the user's shells"),
    ("bin", "on the PATH of the user's shells"),
    (".cargo/bin", "on the PATH of the user's shells"),
    (".cargo/config.toml", "cargo runs the wrappers and runners it names"),
    (".ripgreprc", "ripgrep runs the preprocessor it names"),
    (".ssh", "keys and commands of ssh"),
    (".npmrc", "npm runs the shells and scripts it names"),
    (".config/nvim", EDITOR),
    (".claude.json", AGENT),
    (".copilot", AGENT),
    (".openclaw", AGENT),
    (".config/opencode", AGENT),
    (".config/goose", AGENT),
];
