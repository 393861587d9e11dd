use contracts::JobStatus;
use mongodb::bson::{Document, doc};

/// A filter for a user's jobs; by default all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Jobs with this text in the video's name or in the requested title, in any case.
    pub text: Option<String>,
    /// Jobs with this status.
    pub status: Option<JobStatus>,
}

impl Search {
    pub(crate) fn filter(&self) -> Document {
        let mut filter = Document::new();
        if let Some(status) = self.status {
            filter.insert("status", status.as_str());
        }
        if let Some(text) = &self.text {
            let found = doc! { "$regex": literally(text), "$options": "i" };
            filter.insert("$or", vec![doc! { "source.name": &found }, doc! { "options.title": &found }]);
        }
        filter
    }
}

/// The pattern that matches exactly this text.
fn literally(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_no_pattern() {
        assert_eq!(literally("a.b (1)* Ünï"), "a\\.b \\(1\\)\\* Ünï");
        assert_eq!(literally("\\d+"), "\\\\d\\+");
    }
}
