package execcheck

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"redoubt/internal/rgm/execsec"
)

// The extended attributes with access control lists and capabilities.
const (
	aclAccess    = "system.posix_acl_access"
	aclDefault   = "system.posix_acl_default"
	aclNFS4      = "system.nfs4_acl"
	capabilities = "security.capability"
)

// groupWrite is the bit of the mode that shows, where there is an access control list, its mask: without it the list lets nobody write.
const groupWrite = 0o020

// lists notes to whom access control lists give the right to write.
func lists(f *os.File, fact *execsec.Fact) error {
	if fact.Mode&groupWrite != 0 {
		access, err := attribute(f, aclAccess)
		if err != nil {
			return err
		}
		if fact.Writers, err = writers(access); err != nil {
			return err
		}
	}
	// An NFSv4 list does not show in the mode.
	list, err := attribute(f, aclNFS4)
	if err != nil {
		return err
	}
	also, heirs, err := execsec.NFS4Writers(list)
	if err != nil {
		return err
	}
	fact.Writers = append(fact.Writers, also...)
	if fact.Kind != execsec.Directory {
		return nil
	}
	inherited, err := attribute(f, aclDefault)
	if err != nil {
		return err
	}
	fact.Heirs, err = writers(inherited)
	fact.Heirs = append(fact.Heirs, heirs...)
	return err
}

// more notes what matters of a program only.
func more(f *os.File, fact *execsec.Fact) error {
	access, err := attribute(f, aclAccess)
	if err != nil {
		return err
	}
	fact.ACL = len(access) > 0
	caps, err := attribute(f, capabilities)
	fact.Capabilities = len(caps) > 0
	return err
}

// maxAttribute is the longest that the kernel gives.
const maxAttribute = 64 << 10

// attribute reads an extended attribute of what a descriptor stands for; nil when it has none.
func attribute(f *os.File, name string) ([]byte, error) {
	var short [4096]byte
	buf := short[:]
	n, err := unix.Getxattr(self(f), name, buf)
	if errors.Is(err, unix.ERANGE) {
		buf = make([]byte, maxAttribute)
		n, err = unix.Getxattr(self(f), name, buf)
	}
	switch {
	case err == nil:
		return buf[:n], nil
	case errors.Is(err, unix.ENODATA), errors.Is(err, unix.EOPNOTSUPP):
		return nil, nil
	}
	return nil, fmt.Errorf("read %s: %w", name, err)
}

// The tags of entries.
const (
	tagUser     = 0x02
	tagGroup    = 0x08
	tagMask     = 0x10
	aclVersion  = 2
	permWrite   = 2
	aclEntry    = 8
	aclOverhead = 4
)

// writers are the named users and groups to whom a list gives the right to write, but root. The owner, the owning group and all others are in the mode.
func writers(list []byte) ([]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	if len(list) < aclOverhead || binary.LittleEndian.Uint32(list) != aclVersion || (len(list)-aclOverhead)%aclEntry != 0 {
		return nil, errors.New("its access control list can not be read")
	}
	mask := uint16(permWrite)
	for e := list[aclOverhead:]; len(e) > 0; e = e[aclEntry:] {
		if binary.LittleEndian.Uint16(e) == tagMask {
			mask = binary.LittleEndian.Uint16(e[2:])
		}
	}
	var out []string
	for e := list[aclOverhead:]; len(e) > 0; e = e[aclEntry:] {
		tag, perm, id := binary.LittleEndian.Uint16(e), binary.LittleEndian.Uint16(e[2:]), binary.LittleEndian.Uint32(e[4:])
		if perm&mask&permWrite == 0 {
			continue
		}
		switch {
		case tag == tagUser && id != 0:
			out = append(out, fmt.Sprintf("user %d", id))
		case tag == tagGroup:
			out = append(out, fmt.Sprintf("group %d", id))
		}
	}
	return out, nil
}
