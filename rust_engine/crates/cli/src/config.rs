//! Reading what a person or the worker wrote for the engine.

use anyhow::{Context, Result, bail};
use bridge::Secret;
use model::config::EngineConfig;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The configuration in `path`.
pub fn load(path: &Path) -> Result<EngineConfig> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the configuration {}", path.display()))?;
    let config: EngineConfig = serde_json::from_str(&text)
        .with_context(|| format!("{} is not an engine configuration (see `xcrack-engine schema`)", path.display()))?;
    bridge::check_url(&config.bridge_url)?;
    Ok(config)
}

/// The shared secret in `path`, refused when others may read it.
pub fn load_secret(path: &Path) -> Result<Secret> {
    let open = || format!("cannot read the bridge secret {}", path.display());
    let mode = std::fs::metadata(path).with_context(open)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!("the bridge secret {} has mode {mode:04o}, so others may read it: run chmod 600 on it", path.display());
    }
    let bytes = std::fs::read(path).with_context(open)?;
    Secret::new(&bytes).with_context(|| format!("in {}", path.display()))
}

/// Sixteen random bytes as hex, from the system's generator.
pub fn nonce() -> Result<String> {
    use std::io::Read;
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut bytes)).context("no randomness")?;
    Ok(hex::encode(bytes))
}
