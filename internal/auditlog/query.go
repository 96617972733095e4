package auditlog

import (
	"slices"
	"strings"
	"time"
)

// Entry is a command: its start and its end in one.
type Entry struct {
	Record         // the start, or the refusal
	State   string // see below
	Outcome Record // the end; the zero value if there is none
}

// The states of a command.
const (
	StateDone        = "done"
	StateFailed      = "failed"
	StateDenied      = "denied"
	StateRunning     = "running"
	StateInterrupted = "interrupted" // the daemon ended before it did: what it had done is not known
)

// Query says which commands and events are wanted; the zero value is all.
type Query struct {
	Since, Until time.Time
	User, Role   string
	Nodes        []string
	Failed       bool // failed, denied and interrupted ones
	Object       string
	Limit        int // the newest so many
}

// Commands joins the records of one node's log into commands, in their order.
func Commands(records []Record) []Entry {
	var out []Entry
	open := map[uint64]int{}
	for _, r := range records {
		switch r.Kind {
		case Start:
			open[r.Seq] = len(out)
			out = append(out, Entry{Record: r, State: StateRunning})
		case Denied:
			out = append(out, Entry{Record: r, State: StateDenied, Outcome: r})
		case End:
			i, ok := open[*r.Start]
			if !ok {
				continue // its start is not kept any more
			}
			delete(open, *r.Start)
			out[i].Outcome, out[i].State = r, StateDone
			if r.Exit != nil && *r.Exit != 0 {
				out[i].State = StateFailed
			}
			if r.Code == "denied" {
				out[i].State = StateDenied
			}
		case Mark:
			if r.Event == MarkBegan {
				for seq, i := range open {
					out[i].State = StateInterrupted
					delete(open, seq)
				}
			}
		}
	}
	return out
}

// Wants reports whether a command is one of those asked for.
func (q Query) Wants(e Entry) bool {
	return q.time(e.Record) && q.node(e.Record) &&
		(q.User == "" || e.User == q.User) && (q.Role == "" || e.Role == q.Role) &&
		(!q.Failed || e.State == StateFailed || e.State == StateDenied || e.State == StateInterrupted) &&
		(q.Object == "" || e.concerns(q.Object))
}

// WantsEvent reports whether an event is one of those asked for.
func (q Query) WantsEvent(r Record) bool {
	return r.Kind == Event && q.time(r) && q.node(r) && (q.Object == "" || r.Subject == q.Object || strings.HasSuffix(r.Subject, " "+q.Object))
}

func (q Query) time(r Record) bool {
	return (q.Since.IsZero() || !r.Time.Before(q.Since)) && (q.Until.IsZero() || r.Time.Before(q.Until))
}

func (q Query) node(r Record) bool { return len(q.Nodes) == 0 || slices.Contains(q.Nodes, r.Node) }

// concerns reports whether an object is an operand of the command, or a value in it.
func (e Entry) concerns(object string) bool {
	if slices.Contains(e.Objects, object) {
		return true
	}
	for _, word := range strings.Fields(e.Command) {
		if _, value, ok := strings.Cut(word, "="); ok && value == object || word == object {
			return true
		}
	}
	return false
}

// Newest sorts by time and keeps the newest limit of them; 0 keeps all.
func Newest[T any](list []T, limit int, key func(T) Record) []T {
	slices.SortStableFunc(list, func(a, b T) int { return key(a).Time.Compare(key(b).Time) })
	if limit > 0 && len(list) > limit {
		list = list[len(list)-limit:]
	}
	return list
}
