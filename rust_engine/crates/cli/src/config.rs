//! Reading what a person or the worker wrote for the engine.

use anyhow::{Context, Result, bail};
use bridge::Secret;
use model::config::EngineConfig;
use model::params::STRATEGIES;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The configuration in `path`.
pub fn load(path: &Path) -> Result<EngineConfig> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the configuration {}", path.display()))?;
    let config: EngineConfig = serde_json::from_str(&text)
        .with_context(|| format!("{} is not an engine configuration (see `xcrack-engine schema`)", path.display()))?;
    bridge::carrier::Address::parse(&config.bridge_url, config.bridge_tls.as_ref())?;
    Ok(config)
}

/// Keeps only the instances of `strategies`; all of them if none is named.
///
/// # Errors
/// A strategy that does not exist, or that no instance is configured for.
pub fn choose_strategies(config: &mut EngineConfig, strategies: &[String]) -> Result<()> {
    if strategies.is_empty() {
        return Ok(());
    }
    for name in strategies {
        if !STRATEGIES.contains(&name.as_str()) {
            bail!("--strategies names '{name}', which is no strategy; there are {}", STRATEGIES.join(", "));
        }
        if !config.instances.iter().any(|instance| instance.strategy == *name) {
            let configured: BTreeSet<&str> = config.instances.iter().map(|i| i.strategy.as_str()).collect();
            let configured = configured.into_iter().collect::<Vec<_>>().join(", ");
            bail!(
                "--strategies names '{name}', and no instance of it is configured; there are instances of {configured}"
            );
        }
    }
    config.instances.retain(|instance| strategies.contains(&instance.strategy));
    Ok(())
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
