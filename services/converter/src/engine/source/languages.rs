//! Languages in the notations of users and files: ISO 639-1, both lists of ISO 639-2, BCP 47.

/// The languages of ISO 639-1. After each code follow its synonyms as the CLDR lists them: the codes of ISO
/// 639-2 (MP4 says `deu`, Matroska `ger`), withdrawn codes (`iw`), and the usual meaning of a language group
/// (`cmn` for `zh`).
const LANGUAGES: &str = "\
    aa/aar ab/abk ae/ave af/afr ak/aka/tw/twi/fat am/amh an/arg ar/ara/arb as/asm av/ava ay/aym/ayr \
    az/aze/azj ba/bak be/bel bg/bul bh/bih/bho bi/bis bm/bam bn/ben bo/tib/bod br/bre bs/bos ca/cat ce/che \
    ch/cha co/cos cr/cre/cwd cs/cze/ces cu/chu cv/chv cy/wel/cym da/dan de/ger/deu dv/div dz/dzo ee/ewe \
    el/gre/ell en/eng eo/epo es/spa et/est/ekk eu/baq/eus fa/per/fas/pes/prs ff/ful/fuc fi/fin fj/fij fo/fao \
    fr/fre/fra fy/fry ga/gle gd/gla gl/glg gn/grn/gug gu/guj gv/glv ha/hau he/heb/iw hi/hin ho/hmo hr/hrv/scr \
    ht/hat hu/hun hy/arm/hye hz/her ia/ina id/ind/in ie/ile ig/ibo ii/iii ik/ipk/esk io/ido is/ice/isl it/ita \
    iu/iku/ike ja/jpn jv/jav/jw ka/geo/kat kg/kon/kng ki/kik kj/kua kk/kaz kl/kal km/khm kn/kan ko/kor \
    kr/kau/knc ks/kas ku/kur/kmr kv/kom/kpv kw/cor ky/kir la/lat lb/ltz lg/lug li/lim ln/lin lo/lao lt/lit \
    lu/lub lv/lav/lvs mg/mlg/plt mh/mah mi/mao/mri mk/mac/mkd ml/mal mn/mon/khk mr/mar ms/may/msa/zsm mt/mlt \
    my/bur/mya na/nau nd/nde ne/nep/npi ng/ndo nl/dut/nld nn/nno no/nor/nb/nob nr/nbl nv/nav ny/nya oc/oci \
    oj/oji/ojg om/orm/gaz or/ori/ory os/oss pa/pan pi/pli pl/pol ps/pus/pbu pt/por qu/que/quz rm/roh rn/run \
    ro/rum/ron/mo/mol ru/rus rw/kin sa/san sc/srd/src sd/snd se/sme sg/sag si/sin sk/slo/slk sl/slv sm/smo \
    sn/sna so/som sq/alb/sqi/als sr/srp/scc/sh/hbs ss/ssw st/sot su/sun sv/swe sw/swa/swh ta/tam te/tel \
    tg/tgk th/tha ti/tir tk/tuk tl/tgl/fil tn/tsn to/ton tr/tur ts/tso tt/tat ty/tah ug/uig uk/ukr ur/urd \
    uz/uzb/uzn ve/ven vi/vie vo/vol wa/wln wo/wol xh/xho yi/yid/ji/ydd yo/yor za/zha/zyb zh/chi/zho/cmn \
    zu/zul";

/// Codes for a language that is unknown, not listed, absent, or one of several.
const NO_LANGUAGES: [&str; 4] = ["und", "mis", "zxx", "mul"];

/// The Chinese languages, which may follow the code of their group: `zh-yue`.
const CHINESE: &str = "cdo cjy cmn cpx czh czo gan hak hsn lzh mnp nan wuu yue";

/// A language in any notation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Language {
    code: String,
    script: Option<String>,
    region: Option<String>,
}

/// How well a track's language matches the requested one, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    /// The requested language.
    Exact,
    /// The requested language, but the track does not name its script or region.
    Unspecified,
    /// The requested language in another script or region.
    Related,
}

impl Language {
    /// Parses a code or a tag. Variants and extensions are ignored. `None`: it names no language.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        // Locale names use underscores.
        let mut subtags = text.split(['-', '_']);
        let code = subtags.next().filter(|code| matches!(code.len(), 2 | 3) && is_alphabetic(code))?;
        if NO_LANGUAGES.contains(&code) {
            return None;
        }
        let mut language = Self { code: canonical(code), script: None, region: None };
        for subtag in subtags {
            match subtag.len() {
                // A single letter begins an extension.
                1 => break,
                2 if is_alphabetic(subtag) => language.region = Some(subtag.to_owned()),
                3 if subtag.bytes().all(|byte| byte.is_ascii_digit()) => {
                    language.region = Some(subtag.to_owned());
                }
                3 if language.code == "zh" && CHINESE.split(' ').any(|member| member == subtag) => {
                    language.code = canonical(subtag);
                }
                4 if is_alphabetic(subtag) => language.script = Some(subtag.to_owned()),
                _ => {}
            }
        }
        language.script = language.script.take().or_else(|| language.usual_script().map(str::to_owned));
        Some(language)
    }

    /// How well a track with the language `written` matches this request. `None`: not at all.
    pub(crate) fn fit(&self, written: &str) -> Option<Fit> {
        // MPEG transport streams list a language for each of two channels.
        written.split(',').filter_map(Self::parse).filter_map(|found| self.fit_of(&found)).min()
    }

    fn fit_of(&self, found: &Self) -> Option<Fit> {
        let fit_of = |wanted: &Option<String>, found: &Option<String>| match (wanted, found) {
            (Some(wanted), Some(found)) if wanted != found => Fit::Related,
            (Some(_), None) => Fit::Unspecified,
            (Some(_) | None, Some(_)) | (None, None) => Fit::Exact,
        };
        let fit = fit_of(&self.script, &found.script).max(fit_of(&self.region, &found.region));
        (self.code == found.code).then_some(fit)
    }

    /// The script of Chinese in that region: a request for `zh-Hant` matches `zh-TW`.
    fn usual_script(&self) -> Option<&'static str> {
        match (self.code.as_str(), self.region.as_deref()?) {
            ("zh", "cn" | "sg" | "my") => Some("hans"),
            ("zh", "tw" | "hk" | "mo") => Some("hant"),
            _ => None,
        }
    }
}

fn is_alphabetic(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// The language's first code in the list. A language that is not listed has only one code.
fn canonical(code: &str) -> String {
    let row = LANGUAGES.split_whitespace().find(|row| row.split('/').any(|other| other == code));
    row.and_then(|row| row.split('/').next()).unwrap_or(code).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(wish: &str, written: &str) -> Option<Fit> {
        Language::parse(wish)?.fit(written)
    }

    #[test]
    fn every_way_to_write_a_language_meets_every_other() {
        for ways in [
            &[
                "de",
                "ger",
                "deu",
                "DE",
                "Deu",
                "de-AT",
                "ger-AT",
                "deu-ch",
                "de_DE",
                "de-CH-1996",
                "de-Latn-DE",
            ][..],
            &["zh", "chi", "zho", "cmn", "zh-Hans", "zh-TW", "zh-cmn", "zh-cmn-Hant-HK", "zh-CHS"],
            &["en", "eng", "EN", "en-US", "eng-GB", "en-x-director", "en-US-u-ca-gregory", "en-USA"],
            &["pt", "por", "pt-BR", "pt_PT"],
            &["he", "heb", "iw", "he-IL"],
            &["id", "ind", "in"],
            &["yi", "yid", "ji"],
            &["ro", "rum", "ron", "mo", "mol"],
            &["no", "nor", "nb", "nob", "nb-NO"],
            &["fa", "per", "fas", "pes"],
            &["ar", "ara", "arb", "ar-EG"],
            &["fr", "fre", "fra", "fr-CA"],
            &["nl", "dut", "nld"],
            &["el", "gre", "ell"],
            &["cs", "cze", "ces"],
            &["sq", "alb", "sqi"],
            &["cy", "wel", "cym"],
            &["hr", "hrv", "scr"],
            &["yue", "zh-yue", "yue-HK"],
            &["gsw", "gsw-CH"],
        ] {
            for wish in ways {
                for written in ways {
                    assert!(fit(wish, written).is_some(), "{wish} {written}");
                }
            }
        }
    }

    #[test]
    fn other_languages_and_words_that_name_none_do_not_meet_a_wish() {
        let languages =
            ["de", "en", "nds", "gsw", "nl", "nn", "no", "zh", "yue", "he", "is", "pt", "es", "gl"];
        for wish in languages {
            for written in languages.into_iter().filter(|written| *written != wish) {
                assert_eq!(fit(wish, written), None, "{wish} {written}");
            }
            for written in
                ["", " ", "und", "UND", "mis", "zxx", "mul", "German", "d", "x-de", "i-default", "12"]
            {
                assert_eq!(fit(wish, written), None, "{wish} {written:?}");
                assert_eq!(Language::parse(written), None, "{written:?}");
            }
        }
        assert_eq!(fit("und", "und"), None);
    }

    #[test]
    fn the_wanted_region_or_script_comes_first() {
        use Fit::{Exact, Related, Unspecified};
        for (wish, written, expected) in [
            ("de", "de-AT", Exact),
            ("de", "ger", Exact),
            ("de-AT", "ger-at", Exact),
            ("de-AT", "de", Unspecified),
            ("de-AT", "de-CH", Related),
            ("zh-Hans", "chi", Unspecified),
            ("zh-Hans", "zh-CN", Exact),
            ("zh-Hans", "zh-TW", Related),
            ("zh-Hant-HK", "zh-TW", Related),
            ("zh-TW", "zh-Hant", Unspecified),
            ("sr-Latn", "sr-Cyrl", Related),
            ("es-419", "spa", Unspecified),
            ("es-419", "es-419", Exact),
            ("fr", "eng,fra", Exact),
            ("fr-CA", "fra,fr-CA", Exact),
        ] {
            assert_eq!(fit(wish, written), Some(expected), "{wish} {written}");
        }
    }

    #[test]
    fn the_list_has_each_code_once() {
        let mut codes: Vec<_> = LANGUAGES.split_whitespace().flat_map(|row| row.split('/')).collect();
        // The 183 codes of ISO 639-1 and the withdrawn `bh`. Three of them are synonyms.
        assert_eq!(LANGUAGES.split_whitespace().count(), 182);
        assert!(codes.iter().all(|code| matches!(code.len(), 2 | 3) && is_alphabetic(code)));
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count);
    }
}
