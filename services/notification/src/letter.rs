//! The texts of mails about jobs and accounts.

use contracts::{AccountMailContent, Audio, Failure, FailureCode};
use minijinja::context;
use time::OffsetDateTime;

use crate::public_url::PublicUrl;
use crate::templates::{Rendered, TemplateError, Templates};
use crate::wording::{BitRate, Length, Moment, Size, VideoName};

/// A mail's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// The link to a finished file, and when the link and the file expire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Download<'a> {
    pub(crate) link: &'a str,
    pub(crate) link_expires_at: OffsetDateTime,
    /// When the file is deleted; `None`: never.
    pub(crate) file_expires_at: Option<OffsetDateTime>,
}

/// An action that the reader is asked for, through a personal link.
struct Action {
    subject: &'static str,
    text: &'static str,
    button: &'static str,
    link: String,
    /// The same action without a browser.
    command: String,
    expires: OffsetDateTime,
    otherwise: &'static str,
}

impl Action {
    fn verify(site: &PublicUrl, token: &str, expires: OffsetDateTime) -> Self {
        Self {
            subject: "Confirm your e-mail address",
            text: "Welcome to Mixdown. Please confirm that this is your address; you can upload videos then.",
            button: "Confirm the address",
            link: site.page("verify", token),
            command: verify_command(site, token),
            expires,
            otherwise: "If you did not register, ignore this mail, and do not follow the link.",
        }
    }

    fn confirm_new(site: &PublicUrl, token: &str, expires: OffsetDateTime) -> Self {
        Self {
            subject: "Confirm your new e-mail address",
            text: "Your Mixdown account moves to this address once you confirm that it is yours.",
            button: "Confirm the address",
            link: site.page("verify", token),
            command: verify_command(site, token),
            expires,
            otherwise: "If you did not ask for this, ignore this mail, and do not follow the link.",
        }
    }

    fn reset(site: &PublicUrl, token: &str, expires: OffsetDateTime) -> Self {
        Self {
            subject: "Choose a new password",
            text: "Somebody, we hope you, asked for a new password for the Mixdown account of this address.",
            button: "Choose a password",
            link: site.page("reset", token),
            command: format!(
                "curl -X POST {} -H 'Content-Type: application/json' \
                 -d '{{\"token\": \"{token}\", \"password\": \"YOUR NEW PASSWORD\"}}'",
                site.at("password/reset"),
            ),
            expires,
            otherwise: "If it was not you, ignore this mail: nothing has changed.",
        }
    }
}

fn verify_command(site: &PublicUrl, token: &str) -> String {
    format!(
        "curl -X POST {} -H 'Content-Type: application/json' -d '{{\"token\": \"{token}\"}}'",
        site.at("verify"),
    )
}

impl Letter {
    /// The mail about a converted job, with the link.
    pub(crate) fn converted(
        templates: &Templates,
        name: &VideoName,
        audio: &Audio,
        download: Download<'_>,
    ) -> Result<Self, TemplateError> {
        let format = audio.format.name();
        let subject = format!("Your {format} is ready: {}", name.as_str());
        let rendered = templates.render(
            "converted",
            &context! {
                subject => &subject,
                format => format,
                name => name.as_str(),
                length => Length { seconds: audio.duration_seconds }.to_string(),
                size => Size { bytes: audio.bytes }.to_string(),
                bit_rate => BitRate { bits_per_second: audio.bitrate_bps }.to_string(),
                link => download.link,
                link_expires => Moment(download.link_expires_at).to_string(),
                expiry => download.expiry(),
            },
        )?;
        Ok(Self::new(subject, rendered))
    }

    /// The mail about a failed job: the cause, and what to do.
    pub(crate) fn failed(
        templates: &Templates,
        name: &VideoName,
        failure: &Failure,
    ) -> Result<Self, TemplateError> {
        let subject = format!("Could not be converted: {}", name.as_str());
        let rendered = templates.render(
            "failed",
            &context! {
                subject => &subject,
                name => name.as_str(),
                reason => &failure.text,
                advice => advice(failure.code),
            },
        )?;
        Ok(Self::new(subject, rendered))
    }

    /// The mail about an account.
    pub(crate) fn about_account(
        templates: &Templates,
        content: &AccountMailContent,
        site: &PublicUrl,
    ) -> Result<Self, TemplateError> {
        match content {
            AccountMailContent::VerifyAddress { token, expires_at } => {
                Self::action(templates, &Action::verify(site, token.expose(), *expires_at))
            }
            AccountMailContent::ConfirmAddress { token, expires_at } => {
                Self::action(templates, &Action::confirm_new(site, token.expose(), *expires_at))
            }
            AccountMailContent::ResetPassword { token, expires_at } => {
                Self::action(templates, &Action::reset(site, token.expose(), *expires_at))
            }
            AccountMailContent::AddressTaken => Self::notice(
                templates,
                "You have an account already",
                &format!(
                    "Somebody, we hope you, wanted to use this address for a new Mixdown account, or for another \
                     one. It has an account already, which stays as it is. If it was you and you do not know the \
                     password any more, ask for a new one: {}",
                    site.at("forgot"),
                ),
            ),
            AccountMailContent::AddressChanged => Self::notice(
                templates,
                "Your account has another address now",
                "Your Mixdown account has moved to another address, which was confirmed from there. This one gets \
                 no more mails. If that was not you, tell whoever runs this Mixdown at once.",
            ),
            AccountMailContent::PasswordChanged => Self::notice(
                templates,
                "Your password was changed",
                &format!(
                    "The password of your Mixdown account was changed, and you are signed out everywhere. API keys \
                     still work. If that was not you, choose a new password at once, and look through your keys: {}",
                    site.at("forgot"),
                ),
            ),
            AccountMailContent::Submitted { name } => {
                let name = VideoName::new(name);
                let subject = format!("Accepted: {}", name.as_str());
                let values = context! { subject => &subject, name => name.as_str() };
                let rendered = templates.render("submitted", &values)?;
                Ok(Self::new(subject, rendered))
            }
        }
    }

    fn action(templates: &Templates, action: &Action) -> Result<Self, TemplateError> {
        let values = context! {
            subject => action.subject,
            text => action.text,
            button => action.button,
            link => &action.link,
            command => &action.command,
            expires => Moment(action.expires).to_string(),
            otherwise => action.otherwise,
        };
        Ok(Self::new(action.subject.to_owned(), templates.render("action", &values)?))
    }

    fn notice(templates: &Templates, subject: &str, text: &str) -> Result<Self, TemplateError> {
        let rendered = templates.render("notice", &context! { subject => subject, text => text })?;
        Ok(Self::new(subject.to_owned(), rendered))
    }

    fn new(subject: String, Rendered { text, html }: Rendered) -> Self {
        Self { subject, text, html }
    }
}

impl Download<'_> {
    fn expiry(self) -> String {
        let link = Moment(self.link_expires_at).to_string();
        match self.file_expires_at.map(|at| Moment(at).to_string()) {
            Some(file) if file == link => format!("The link works until {link}. The file is deleted then."),
            Some(file) => format!(
                "The link works until {link}. After that, sign in to download the file, which is kept until {file}."
            ),
            None => format!("The link works until {link}. After that, sign in to download the file."),
        }
    }
}

/// What the reader can do about a failure, beyond the failure's own text.
fn advice(code: FailureCode) -> &'static str {
    match code {
        FailureCode::NotAMediaFile => {
            "Check that you picked the right file. MP4, MKV, WebM, MOV, AVI and most other formats work."
        }
        FailureCode::NoAudioTrack => {
            "If you expected sound, check that the video plays with sound on your own device. Some recordings keep it in a separate file."
        }
        FailureCode::Damaged => {
            "Play the video to its end on your own device. If it does, the upload was cut short and a new one will work; if not, the file itself needs to be saved or downloaded anew."
        }
        FailureCode::UnsupportedFormat => {
            "Save the video in a common format, such as MP4 with AAC sound, and upload that."
        }
        FailureCode::UnsuitableFormat => "Upload the video again and ask for MP3 or FLAC.",
        FailureCode::NoSuchTrack => {
            "Look at the job's list of audio tracks, or upload the video without choosing one."
        }
        FailureCode::EmptySelection => "Upload the video again with other times, or without any.",
        FailureCode::TooLong => "Cut the video into shorter parts and upload them one by one.",
        FailureCode::AudioTooLarge => "Choose a lower bit rate, or cut the video into shorter parts.",
        FailureCode::FileTooLarge => {
            "Cut the video into shorter parts, or save it with a lower quality, and upload those."
        }
        FailureCode::TooManyTracks => {
            "Save the video with one picture and one sound track alone, and upload that."
        }
        FailureCode::TooComplex => {
            "Save the video anew with a program that plays it, in a common format such as MP4 with AAC sound, and upload that."
        }
        FailureCode::TimedOut => {
            "Upload the video again later. If the same happens, cut it into shorter parts and upload them one by one."
        }
        FailureCode::Interrupted => {
            "As far as we know nothing is wrong with the video itself. If a second upload ends the same way, tell whoever runs this Mixdown."
        }
    }
}

#[cfg(test)]
mod tests;
