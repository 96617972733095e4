package server

import (
	"encoding/binary"
	"errors"
	"os/user"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// peerGroups gives the supplementary groups of the process at the other end of a unix socket, as they were when it connected.
func peerGroups(fd int) ([]int, error) {
	size := 64
	for range 4 {
		raw := make([]byte, size*4)
		length := uint32(len(raw))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS, uintptr(unsafe.Pointer(&raw[0])), uintptr(unsafe.Pointer(&length)), 0)
		if errors.Is(errno, unix.ERANGE) {
			size = int(length)/4 + 1
			continue
		}
		if errno != 0 {
			return nil, errno
		}
		var out []int
		for at := 0; at+4 <= int(length); at += 4 {
			out = append(out, int(binary.NativeEndian.Uint32(raw[at:])))
		}
		return out, nil
	}
	return nil, unix.ERANGE
}

// groupNames gives the names of groups; those without one are left out.
func groupNames(gids []int) []string {
	var out []string
	for _, gid := range gids {
		if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil && !slices.Contains(out, g.Name) {
			out = append(out, g.Name)
		}
	}
	return out
}

// listedIn gives the names of the groups that the user database has a user in.
func listedIn(u *user.User) []string {
	ids, err := u.GroupIds()
	if err != nil {
		return nil
	}
	var gids []int
	for _, id := range ids {
		if gid, err := strconv.Atoi(id); err == nil {
			gids = append(gids, gid)
		}
	}
	return groupNames(gids)
}
