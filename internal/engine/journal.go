package engine

import (
	"slices"
	"sort"
)

// journal says in which snapshot of a mirror which records became different, so that whoever follows the snapshots needs to look only at those. The zero value knows nothing. What was lent stays as it is.
type journal struct {
	from  uint64 // the serial of the oldest snapshot to which what came after it is known; 0: none is
	lines []line // in the order of the serials
}

type line struct {
	serial uint64 // of the first snapshot that shows it
	key    string
}

// journalLimit is how many changes are remembered: somebody who was away for longer looks at everything, which then costs less than to look at each of them.
const journalLimit = 1 << 14

// add notes that a record is different from the snapshot with a serial on.
func (j *journal) add(serial uint64, key string) {
	if len(j.lines) == journalLimit {
		old := j.lines[:journalLimit/2]
		j.from, j.lines = old[len(old)-1].serial, slices.Clone(j.lines[len(old):])
	}
	j.lines = append(j.lines, line{serial, key})
}

// since are the keys of the records that became different after the snapshot with a serial, each as often as it did; false: that is not known.
func (j journal) since(serial uint64) (keys []string, known bool) {
	if j.from == 0 || serial < j.from {
		return nil, false
	}
	for _, l := range j.lines[sort.Search(len(j.lines), func(i int) bool { return j.lines[i].serial > serial }):] {
		keys = append(keys, l.key)
	}
	return keys, true
}
