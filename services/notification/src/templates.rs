//! The templates of all mails, compiled once at the start.

use std::collections::HashMap;

use minijinja::{Environment, UndefinedBehavior, Value};
use mrml::prelude::parser::ParserOptions;
use mrml::prelude::parser::memory_loader::MemoryIncludeLoader;
use mrml::prelude::render::RenderOptions;

/// The parts that every mail shares. `mj-include` refers to them by these names.
const PARTS: [(&str, &str); 4] = [
    ("head.mjml", include_str!("../templates/head.mjml")),
    ("header.mjml", include_str!("../templates/header.mjml")),
    ("footer.mjml", include_str!("../templates/footer.mjml")),
    ("account-footer.mjml", include_str!("../templates/account-footer.mjml")),
];

/// Each mail's name, MJML and text.
const MAILS: [(&str, &str, &str); 5] = [
    ("converted", include_str!("../templates/converted.mjml"), include_str!("../templates/converted.txt")),
    ("failed", include_str!("../templates/failed.mjml"), include_str!("../templates/failed.txt")),
    ("action", include_str!("../templates/action.mjml"), include_str!("../templates/action.txt")),
    ("notice", include_str!("../templates/notice.mjml"), include_str!("../templates/notice.txt")),
    ("submitted", include_str!("../templates/submitted.mjml"), include_str!("../templates/submitted.txt")),
];

/// A template of this build does not work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TemplateError {
    /// The MJML is not well-formed.
    #[error("could not read the MJML of mail `{0}`")]
    Parse(&'static str, #[source] mrml::prelude::parser::Error),
    /// The MJML cannot be turned into HTML.
    #[error("could not turn the MJML of mail `{0}` into HTML")]
    Compile(&'static str, #[source] mrml::prelude::render::Error),
    /// The placeholders are not well-formed, or one has no value.
    #[error("could not fill in a mail")]
    Fill(#[from] minijinja::Error),
}

/// A mail's two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) text: String,
    pub(crate) html: String,
}

/// Every mail's template.
///
/// MJML becomes HTML first, with the placeholders in it; then a mail's values are filled in. So no user's
/// text ever passes through the MJML parser.
#[derive(Debug)]
pub(crate) struct Templates(Environment<'static>);

impl Templates {
    pub(crate) fn compile() -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        // A misspelt placeholder fails instead of leaving a gap in the mail.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // The extension decides about escaping: `.html` is escaped, `.txt` is not.
        for (name, mjml, text) in MAILS {
            environment.add_template_owned(format!("{name}.html"), to_html(name, mjml)?)?;
            environment.add_template_owned(format!("{name}.txt"), text)?;
        }
        Ok(Self(environment))
    }

    pub(crate) fn render(&self, name: &str, values: &Value) -> Result<Rendered, TemplateError> {
        let form = |ending: &str| self.0.get_template(&format!("{name}.{ending}"))?.render(values);
        Ok(Rendered { text: form("txt")?, html: form("html")? })
    }
}

fn to_html(name: &'static str, mjml: &str) -> Result<String, TemplateError> {
    let parts = PARTS.map(|(part, content)| (part.to_owned(), content.to_owned()));
    let options = ParserOptions { include_loader: Box::new(MemoryIncludeLoader::from(HashMap::from(parts))) };
    let parsed =
        mrml::parse_with_options(mjml, &options).map_err(|error| TemplateError::Parse(name, error))?;
    // Without the table of fonts no mail loads a remote font.
    let options = RenderOptions { disable_comments: true, fonts: HashMap::new(), ..RenderOptions::default() };
    parsed.element.render(&options).map_err(|error| TemplateError::Compile(name, error))
}
