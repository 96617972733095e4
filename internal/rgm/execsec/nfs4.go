package execsec

import (
	"encoding/binary"
	"errors"
	"strings"
)

// The parts of an entry of an NFSv4 access control list (RFC 7530, 6.2.1) that matter here.
const (
	nfs4Allow = 0
	// WRITE_DATA (ADD_FILE), APPEND_DATA (ADD_SUBDIRECTORY), DELETE_CHILD, DELETE, WRITE_ACL and WRITE_OWNER: with each of them somebody can put another
	// content in the place of what is there, now or after one more step.
	nfs4Write = 0x2 | 0x4 | 0x40 | 0x10000 | 0x40000 | 0x80000
	// FILE_INHERIT and DIRECTORY_INHERIT: what is made in the folder gets the entry. INHERIT_ONLY: the folder itself does not have it.
	nfs4Inherit     = 0x1 | 0x2
	nfs4InheritOnly = 0x8
)

// NFS4Writers reads an NFSv4 access control list as the kernel gives it (system.nfs4_acl) and says to whom it gives the right to write, and to whom a folder's
// gives it in what is made there: all but the owner of the file, who is judged by himself, and root. The mode of such a file need not show any of them.
func NFS4Writers(acl []byte) (writers, heirs []string, err error) {
	broken := errors.New("its NFSv4 access control list can not be read")
	if len(acl) == 0 {
		return nil, nil, nil
	}
	number := func() (uint32, bool) {
		if len(acl) < 4 {
			return 0, false
		}
		n := binary.BigEndian.Uint32(acl)
		acl = acl[4:]
		return n, true
	}
	count, ok := number()
	if !ok {
		return nil, nil, broken
	}
	for range count {
		kind, _ := number()
		flags, _ := number()
		mask, _ := number()
		length, ok := number()
		if padded := (uint64(length) + 3) &^ 3; !ok || padded > uint64(len(acl)) {
			return nil, nil, broken
		}
		who := string(acl[:length])
		acl = acl[(length+3)&^3:]
		name, _, _ := strings.Cut(who, "@")
		if kind != nfs4Allow || mask&nfs4Write == 0 || who == "OWNER@" || name == "root" || name == "0" {
			continue
		}
		if flags&nfs4InheritOnly == 0 {
			writers = append(writers, who)
		}
		if flags&nfs4Inherit != 0 {
			heirs = append(heirs, who)
		}
	}
	return writers, heirs, nil
}
