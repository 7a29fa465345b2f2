//! The engine's binary.

mod schema;

fn main() -> anyhow::Result<()> {
    let out = std::env::args().nth(2).unwrap_or_default();
    schema::export(std::path::Path::new(&out))?;
    Ok(())
}
