package auditlog

import (
	"strconv"
	"strings"
)

// layout is how Solaris Cluster writes the time in its commandlog.
const layout = "01/02/2006 15:04:05"

// TextLine gives the line of the text file that belongs to a record; ok is false for a record that has none. It follows from the record alone.
func (r Record) TextLine() (line string, ok bool) {
	head := r.Time.Format(layout) + " " + quoted(r.Node) + " " + strconv.Itoa(r.PID) + " " + quoted(r.User)
	switch r.Kind {
	case Start:
		return head + " START - " + oneLine(r.Command) + late(r), true
	case End:
		exit := 0
		if r.Exit != nil {
			exit = *r.Exit
		}
		return head + " END " + strconv.Itoa(exit) + late(r), true
	case Denied:
		if r.Count > 1 {
			return head + " DENIED - " + oneLine(r.Command) + " # " + strconv.Itoa(r.Count) + " times", true
		}
		return head + " DENIED - " + oneLine(r.Command), true
	case Mark:
		if r.Event != MarkRotated {
			return head + " NOTE - # " + oneLine(r.Text), true
		}
	}
	return "", false
}

func late(r Record) string {
	if r.Late {
		return " # written late"
	}
	return ""
}

// oneLine takes out of a text what would end or forge a line.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// Files says which lines each text file shall have: the first is the file that is written now, the next its newest archive. Each line comes with the
// place of its record.
func Files(records []Record) [][]Line {
	out := [][]Line{nil}
	for _, r := range records {
		if r.Kind == Mark && r.Event == MarkRotated {
			out = append(out, nil)
			continue
		}
		if text, ok := r.TextLine(); ok {
			out[len(out)-1] = append(out[len(out)-1], Line{r.Seq, text})
		}
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// Line is a line of the text file and the record that it tells of.
type Line struct {
	Seq  uint64
	Text string
}
