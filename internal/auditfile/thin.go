package auditfile

import (
	"bytes"
	"encoding/base64"

	"redoubt/internal/auditlog"
)

// A copy has a bound, and whoever is refused must not be able to push out of it what was done. So when a copy is too large its refusals go first: a line that is not
// kept is replaced by the hash that stands for it in the tree. No record begins as such a line does.

// thinMark begins a line of a copy whose record is not kept; the hash of its leaf follows.
const thinMark = '#'

// leafOf is the hash of a line of a copy.
func leafOf(line []byte) []byte {
	if len(line) > 0 && line[0] == thinMark {
		if h, err := base64.StdEncoding.DecodeString(string(line[1:])); err == nil && len(h) == auditlog.HashSize {
			return h
		}
	}
	return auditlog.LeafHash(line)
}

// thin takes the records of refusals out of lines: those of refused callers, and those of strangers whose operation failed.
func thin(lines [][]byte) [][]byte {
	out := make([][]byte, len(lines))
	begun := map[uint64]int{} // of strangers: entry -> line
	drop := func(i int) {
		out[i] = append([]byte{thinMark}, base64.StdEncoding.EncodeToString(leafOf(lines[i]))...)
	}
	for i, line := range lines {
		out[i] = line
		if len(line) > 0 && line[0] == thinMark {
			continue
		}
		r, err := auditlog.Decode(line)
		switch {
		case err != nil:
		case r.Kind == auditlog.Denied:
			drop(i)
		case r.Kind == auditlog.Start && r.User == auditlog.Stranger:
			begun[r.Seq] = i
		case r.Kind == auditlog.End && r.Code != "":
			if at, ok := begun[*r.Start]; ok {
				drop(at)
				drop(i)
			}
		}
	}
	return out
}

// block sets lines one below the other.
func block(lines [][]byte) []byte {
	var b bytes.Buffer
	for _, line := range lines {
		b.Write(line)
		b.WriteByte('\n')
	}
	return b.Bytes()
}
