//! Files. Paths are absolute, or relative to /workspace, and belong to the sandbox.

use crate::error::{Error, Result};
use crate::sandbox::{unreadable, Sandbox};
use crate::stream::{EventStream, Item};
use crate::types::*;
use std::io::{self, Read};

impl<'r> Sandbox<'r> {
    /// Writes a file, making missing folders; a reader sees the old content or the new,
    /// never a part.
    pub fn write_file(&self, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
        self.write_file_mode(path, content, "")
    }

    /// [`write_file`](Sandbox::write_file) with permission bits, as `0755`.
    pub fn write_file_mode(&self, path: &str, content: impl AsRef<[u8]>, mode: &str) -> Result<()> {
        let mut request =
            WriteFileOptions { path: path.to_string(), mode: mode.to_string(), ..WriteFileOptions::default() };
        match std::str::from_utf8(content.as_ref()) {
            Ok(text) => request.content = text.to_string(),
            Err(_) => {
                request.content = base64_encode(content.as_ref());
                request.encoding = "base64".to_string();
            }
        }
        self.tell("writeFile", &request)
    }

    /// Reads a whole file of at most 32 MiB, text or not.
    pub fn read_file(&self, path: &str) -> Result<Vec<u8>> {
        let request = ReadFileOptions { path: path.to_string(), ..ReadFileOptions::default() };
        let answer: ReadFileResponse = self.call("readFile", &request)?;
        match answer.encoding.as_str() {
            "base64" => base64_decode(&answer.content).ok_or_else(|| unreadable("readFile")),
            _ => Ok(answer.content.into_bytes()),
        }
    }

    /// Makes a folder.
    pub fn mkdir(&self, path: &str, options: MkdirOptions) -> Result<()> {
        self.tell("mkdir", &MkdirOptions { path: path.to_string(), ..options })
    }

    /// Deletes a file, or with `recursive` a folder with all in it.
    pub fn delete_file(&self, path: &str, options: DeleteFileOptions) -> Result<()> {
        self.tell("deleteFile", &DeleteFileOptions { path: path.to_string(), ..options })
    }

    /// Gives a file or folder another name, replacing a file of that name.
    pub fn rename_file(&self, old_path: &str, new_path: &str) -> Result<()> {
        self.tell("renameFile", &RenameFileOptions { old_path: old_path.to_string(), new_path: new_path.to_string() })
    }

    /// Moves a file or folder, also to another file system.
    pub fn move_file(&self, source: &str, destination: &str) -> Result<()> {
        self.tell(
            "moveFile",
            &MoveFileOptions { source_path: source.to_string(), destination_path: destination.to_string() },
        )
    }

    /// Whether there is something at a path.
    pub fn exists(&self, path: &str) -> Result<bool> {
        let answer: ExistsResponse = self.call("exists", &NamedPath { path: path.to_string() })?;
        Ok(answer.exists)
    }

    /// Sets the permission bits, as `0755`.
    pub fn set_permissions(&self, path: &str, mode: &str) -> Result<()> {
        let request = SetPermissionsOptions {
            path: path.to_string(),
            mode: mode.to_string(),
            ..SetPermissionsOptions::default()
        };
        self.tell("setPermissions", &request)
    }

    /// Lists a folder, by path.
    pub fn list_files(&self, path: &str, options: ListFilesOptions) -> Result<FileList> {
        self.call("listFiles", &ListFilesOptions { path: path.to_string(), ..options })
    }

    /// Finds files by name, and lines by what they hold.
    pub fn search_files(&self, options: SearchFilesOptions) -> Result<SearchResult> {
        self.call("searchFiles", &options)
    }

    /// Tells what changes in a folder, or with a file.
    pub fn watch(&self, path: &str, options: WatchOptions) -> Result<EventStream<'r, WatchEvent>> {
        EventStream::open(self, "watch", &WatchOptions { path: path.to_string(), ..options })
    }

    /// Clones a Git repository with the git of the sandbox.
    pub fn checkout(&self, url: &str, options: CheckoutOptions) -> Result<CheckoutResult> {
        self.call("checkout", &CheckoutOptions { url: url.to_string(), ..options })
    }

    /// [`checkout`](Sandbox::checkout) by its other name.
    pub fn git_checkout(&self, url: &str, options: CheckoutOptions) -> Result<CheckoutResult> {
        self.checkout(url, options)
    }

    /// Writes a file of any size from what is read; a reader sees the old content or the
    /// new, never a part. Returns its size.
    pub fn write_file_from(&self, path: &str, mut from: impl Read) -> Result<i64> {
        let request = WriteFileStreamOptions { path: path.to_string(), ..WriteFileStreamOptions::default() };
        let mut stream: EventStream<WriteFileResponse> = EventStream::open(self, "writeFileStream", &request)?;
        let mut piece = vec![0; crate::stream::MAX_PIECE];
        loop {
            match from.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => stream.write(&piece[..n])?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // Closing a stream that was not ended leaves the old content.
                Err(e) => return Err(Error::new(Code::Internal, format!("writeFileStream: {}", e))),
            }
        }
        stream.close_input()?;
        Ok(stream.object()?.size)
    }

    /// Begins to read a file of any size: what it is, and its bytes.
    pub fn open_file(&self, path: &str, options: ReadFileStreamOptions) -> Result<(FileInfo, FileReader<'r>)> {
        let mut stream =
            EventStream::open(self, "readFileStream", &ReadFileStreamOptions { path: path.to_string(), ..options })?;
        let info = stream.object()?;
        Ok((info, FileReader { stream, rest: Vec::new() }))
    }
}

/// The bytes of a file that is read.
pub struct FileReader<'r> {
    stream: EventStream<'r, FileInfo>,
    rest: Vec<u8>,
}

impl Read for FileReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() && !buf.is_empty() {
            match self.stream.next() {
                Ok(Some(Item::Bytes(bytes))) => self.rest = bytes,
                Ok(Some(Item::Event(_))) => {}
                Ok(None) => return Ok(0),
                Err(e) => return Err(io::Error::new(io::ErrorKind::Other, e)),
            }
        }
        let n = buf.len().min(self.rest.len());
        buf[..n].copy_from_slice(&self.rest[..n]);
        self.rest.drain(..n);
        Ok(n)
    }
}

/// The alphabet of base64 (RFC 4648, section 4).
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64_encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() / 3 * 4 + 4);
    for three in bytes.chunks(3) {
        let n = three.iter().fold(0, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        for i in 0..4 {
            let digit = DIGITS[(n >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= three.len() { digit as char } else { '=' });
        }
    }
    text
}

fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    if text.len() % 4 != 0 || text.len() - digits.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for four in digits.chunks(4) {
        let mut n = 0;
        for d in four {
            n = n << 6 | DIGITS.iter().position(|x| x == d)? as u32;
        }
        n <<= 6 * (4 - four.len());
        bytes.extend_from_slice(&n.to_be_bytes()[1..four.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64_encode(bytes.as_bytes()), text);
            assert_eq!(base64_decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(base64_decode(&base64_encode(&all)), Some(all));
        for bad in ["Z", "Zg=", "Z===", "====", "Zm9*"] {
            assert_eq!(base64_decode(bad), None, "{}", bad);
        }
    }
}
