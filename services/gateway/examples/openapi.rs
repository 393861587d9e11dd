//! Writes the OpenAPI document of the public interface to standard output: `make openapi`.

fn main() -> anyhow::Result<()> {
    println!("{}", gateway::openapi_document().to_pretty_json()?);
    Ok(())
}
