//! Which disks are sticks: whole ones on USB, or ones that can be taken out, and never what a machine runs from.

use std::path::Path;

/// Disks that are no sticks whatever else is said of them: memory cards in a slot of the board (the system is on one), optical discs,
/// floppies, and what is made of memory, files or other disks.
const NEVER: [&str; 9] = [
    "mmcblk", "loop", "ram", "zram", "dm-", "md", "nbd", "sr", "fd",
];

/// Whether a disk is a stick. `devpath`: where sysfs has it; `sys`: where sysfs is.
pub fn is_stick(sys: &Path, name: &str, devpath: &str) -> bool {
    let number = |file: &str| {
        let text = std::fs::read_to_string(sys.join(devpath.trim_start_matches('/')).join(file));
        text.ok().and_then(|t| t.trim().parse::<u64>().ok())
    };
    let is_plain = !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric())
        && !NEVER.iter().any(|prefix| name.starts_with(prefix));
    let is_on_usb = devpath.contains("/usb");
    // A reader without a card is a disk of no size.
    is_plain
        && (is_on_usb || number("removable") == Some(1))
        && number("size").is_none_or(|size| size > 0)
}

/// The sticks that are in already, by name.
pub fn all(sys: &Path) -> Vec<String> {
    let Ok(disks) = std::fs::read_dir(sys.join("block")) else {
        return Vec::new();
    };
    let mut found: Vec<String> = disks
        .flatten()
        .filter_map(|disk| {
            let name = disk.file_name().into_string().ok()?;
            let target = std::fs::canonicalize(disk.path()).ok()?;
            let devpath = target.strip_prefix(std::fs::canonicalize(sys).ok()?).ok()?;
            let devpath = format!("/{}", devpath.to_str()?);
            is_stick(sys, &name, &devpath).then_some(name)
        })
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const USB: &str =
        "/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host6/target6:0:0/6:0:0:0/block";

    #[test]
    fn only_disks_on_usb_or_that_can_be_taken_out_are_sticks() {
        let sys = std::env::temp_dir().join(format!("sotto-sys-{}", std::process::id()));
        std::fs::create_dir_all(sys.join("block")).unwrap();
        for (name, parent, removable, size) in [
            ("sdb", USB, 1, 100),
            ("sdc", USB, 0, 100),
            ("sdd", USB, 1, 0),
            ("sda", "/devices/pci0000:00/0000:00:17.0/ata1/block", 0, 100),
            ("sde", "/devices/pci0000:00/0000:00:17.0/ata2/block", 1, 100),
            ("sr0", "/devices/pci0000:00/0000:00:17.0/ata3/block", 1, 100),
            ("mmcblk0", "/devices/platform/soc/mmc/block", 1, 100),
            ("vda", "/devices/platform/virtio0/block", 0, 100),
            ("loop0", "/devices/virtual/block", 1, 100),
        ] {
            let folder = sys.join(&parent[1..]).join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("removable"), format!("{removable}\n")).unwrap();
            std::fs::write(folder.join("size"), format!("{size}\n")).unwrap();
            symlink(&folder, sys.join("block").join(name)).unwrap();
        }
        let found = all(&sys);
        std::fs::remove_dir_all(&sys).unwrap();
        assert_eq!(found, ["sdb", "sdc", "sde"]);
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_no_stick() {
        for name in ["", "../sda", "a/b", "sd b"] {
            assert!(!is_stick(Path::new("/nowhere"), name, USB), "{name:?}");
        }
    }
}
