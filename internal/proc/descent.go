package proc

import (
	"strconv"
	"strings"
)

// serviceUmask is the umask of programs that run as another user, the usual one of services.
const serviceUmask = 0o022

// descent is what the sub-program that Config.Descend names has to become; internal/descend reads it.
type descent struct {
	uid, gid int
	groups   []int
	umask    int
	path     string
	args     []string
}

func (d descent) arguments() []string {
	groups := make([]string, len(d.groups))
	for i, g := range d.groups {
		groups[i] = strconv.Itoa(g)
	}
	return append([]string{strconv.Itoa(d.uid), strconv.Itoa(d.gid), strings.Join(groups, ","), strconv.FormatInt(int64(d.umask), 8), d.path}, d.args...)
}
