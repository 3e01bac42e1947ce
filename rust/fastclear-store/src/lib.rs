//! The only part of fastclear that touches a disk.
