//! The targets of a hostile file: a file, a TCP port, a UDP port. Each detects whether it was touched.

use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::inotify;
use rustix::io::Errno;

use crate::media::Workshop;

pub(crate) struct Canary {
    folder: PathBuf,
    opened: OwnedFd,
    tcp: TcpListener,
    udp: UdpSocket,
}

/// The names of the file. For some formats, FFmpeg depends on the extension.
const NAMES: [&str; 4] = ["canary.ts", "canary.mp3", "canary.wav", "canary.txt"];

impl Canary {
    /// Real audio, which FFmpeg would convert if it could reach it.
    pub(crate) fn new(workshop: &Workshop) -> Self {
        workshop.sound("canary.ts", "sine=1000", "2", &["-c:a", "mp2"]);
        workshop.sound("canary.mp3", "sine=1000", "2", &[]);
        workshop.sound("canary.wav", "sine=1000", "2", &[]);
        std::fs::write(workshop.path("canary.txt"), "the canary sings").unwrap();
        let opened = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        for name in NAMES {
            inotify::add_watch(&opened, workshop.path(name), inotify::WatchFlags::OPEN).unwrap();
        }
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        tcp.set_nonblocking(true).unwrap();
        udp.set_nonblocking(true).unwrap();
        Self { folder: workshop.path(""), opened, tcp, udp }
    }

    /// The file's path with this extension.
    pub(crate) fn file(&self, ending: &str) -> String {
        self.folder.join("canary").with_extension(ending).display().to_string()
    }

    /// The same file, relative to a job's directory.
    pub(crate) fn relative_file(&self, ending: &str) -> String {
        format!("{}{}", "../".repeat(12), self.file(ending).trim_start_matches('/'))
    }

    pub(crate) fn http(&self) -> String {
        format!("http://{}/canary.ts", self.tcp.local_addr().unwrap())
    }

    pub(crate) fn tcp_port(&self) -> u16 {
        self.tcp.local_addr().unwrap().port()
    }

    pub(crate) fn udp_port(&self) -> u16 {
        self.udp.local_addr().unwrap().port()
    }

    /// The target that was touched since the last call, if any.
    pub(crate) fn touched(&self) -> Option<&'static str> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        match inotify::Reader::new(&self.opened, &mut buffer).next() {
            Ok(_) => return Some("the file"),
            Err(error) => assert_eq!(error, Errno::AGAIN),
        }
        match self.tcp.accept() {
            Ok(_) => return Some("the TCP port"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        match self.udp.recv(&mut [0; 16]) {
            Ok(_) => Some("the UDP port"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                None
            }
        }
    }
}

#[test]
fn the_canary_notices_what_touches_it() {
    let workshop = Workshop::new();
    let canary = Canary::new(&workshop);
    assert_eq!(canary.touched(), None);
    std::fs::read(Path::new(&canary.file("ts"))).unwrap();
    assert_eq!(canary.touched(), Some("the file"));
    std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, canary.tcp_port())).unwrap();
    assert_eq!(canary.touched(), Some("the TCP port"));
    canary.udp.send_to(b"x", (Ipv4Addr::LOCALHOST, canary.udp_port())).unwrap();
    assert_eq!(canary.touched(), Some("the UDP port"));
    assert_eq!(canary.touched(), None);
}
