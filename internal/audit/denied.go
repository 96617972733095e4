package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"redoubt/internal/auditlog"
)

// Whoever is refused does not decide how large the log becomes, nor what can still be found in it. The first refusals of a caller are written one by one; what comes
// then counts together, and is written when a time is over that doubles as long as it goes on. All strangers together are one caller, for they cost nothing.

// The bounds of what callers who are refused may write.
const (
	namedStrangers = 8   // different refusals of all strangers in a window
	namedUser      = 16  // of one user
	maxCallers     = 128 // users that count each by himself
	shortWindow    = time.Minute
	longWindow     = time.Hour
	namedFrom      = 8 // addresses that are named where refusals are told together
	several        = "several"
)

// forEverybody are operations that are recorded and that everybody may try who is known at all: whoever holds nothing could fill the log by them.
var forEverybody = map[string]bool{"role assume": true, "role drop": true, "session open": true, "session close": true}

// ForEverybody reports whether an operation that fails again and again counts like refusals.
func ForEverybody(operation string) bool { return forEverybody[operation] }

type denial struct{ user, from, operation string }

// refused is what one caller was refused in the window that is open.
type refused struct {
	began time.Time // the window
	until time.Time
	long  time.Duration        // the next window
	most  int                  // different refusals that are written by themselves
	named map[denial]*repeated // those that were written when they came
	rest  *repeated            // all others
}

// repeated are refusals that are told together.
type repeated struct {
	last  auditlog.Record
	count int
	from  []string
	more  bool // they came from other addresses too
}

func (r *repeated) add(d auditlog.Record) {
	r.last, r.count = d, r.count+1
	switch {
	case d.From == "" || slices.Contains(r.from, d.From):
	case len(r.from) < namedFrom:
		r.from = append(r.from, d.From)
	default:
		r.more = true
	}
}

// together is the record of all of them.
func (r *repeated) together(caller string) auditlog.Record {
	out := r.last
	out.Count = r.count
	if caller == "" {
		return out
	}
	from := strings.Join(r.from, ", ")
	if r.more {
		from += " and others"
	}
	out.Kind, out.User, out.Role, out.From, out.Certificate, out.Operation, out.Objects, out.PID, out.Resource = auditlog.Denied, caller, "", "", "", "", nil, 0, ""
	out.Command = "# different refusals, told together"
	out.Text = fmt.Sprintf("%d refusals that are not told one by one; the last was of %s", r.count, cmpOr(r.last.Operation, r.last.Command))
	if from != "" {
		out.Text += "; they came from " + from
	}
	return out
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// callerOf is the name under which refusals count together: that of the user, one for all strangers, one for all numbers that no user of the machine has.
func callerOf(r auditlog.Record) string {
	if strings.HasPrefix(r.User, "uid:") {
		return "uid:"
	}
	return r.User
}

// caller finds what a caller was refused, in a window that is open; the caller holds the lock.
func (j *Journal) caller(r auditlog.Record) *refused {
	name := callerOf(r)
	if j.refused[name] == nil && len(j.refused) >= maxCallers {
		name = several
	}
	c := j.refused[name]
	if c == nil {
		c = &refused{long: shortWindow, most: namedUser}
		if name == auditlog.Stranger || name == several {
			c.most = namedStrangers
		}
		j.refused[name] = c
	}
	if c.named == nil {
		c.named, c.began = map[denial]*repeated{}, j.cfg.Now()
		c.until = c.began.Add(c.long)
	}
	return c
}

// mayName reports whether a refusal, or an attempt that may become one, is to be written by itself.
func (j *Journal) mayName(r auditlog.Record) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	c, key := j.caller(r), denial{r.User, r.From, r.Operation}
	if c.named[key] != nil || len(c.named) >= c.most {
		return false
	}
	c.named[key] = &repeated{}
	return true
}

// count counts a refusal that is not written by itself.
func (j *Journal) count(r auditlog.Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.caller(r)
	if seen := c.named[denial{r.User, r.From, r.Operation}]; seen != nil {
		seen.add(r)
		return
	}
	if c.rest == nil {
		c.rest = &repeated{}
	}
	c.rest.add(r)
}

// Deny records a refusal.
func (j *Journal) Deny(r auditlog.Record) {
	r.Kind, r.Time = auditlog.Denied, j.cfg.Now()
	if !j.mayName(r) {
		j.count(r)
		return
	}
	if _, err := j.write(r); err != nil {
		j.failed(err)
	}
}

// flushDenied writes what was counted in windows that are over, or in all.
func (j *Journal) flushDenied(all bool) {
	now := j.cfg.Now()
	var out []auditlog.Record
	j.mu.Lock()
	for caller, c := range j.refused {
		if !all && now.Before(c.until) {
			continue
		}
		if c.named == nil { // nothing came since the last window was over
			delete(j.refused, caller)
			continue
		}
		before := len(out)
		for _, d := range c.named {
			if d.count > 0 {
				out = append(out, d.together(""))
			}
		}
		if c.rest != nil {
			out = append(out, c.rest.together(caller))
		}
		if c.long = shortWindow; len(out) > before {
			c.long = min(2*(c.until.Sub(c.began)), longWindow)
		}
		c.named, c.rest, c.until = nil, nil, now.Add(c.long)
	}
	j.mu.Unlock()
	slices.SortFunc(out, func(a, b auditlog.Record) int { return a.Time.Compare(b.Time) })
	for _, r := range out {
		if _, err := j.write(r); err != nil {
			j.failed(err)
			return
		}
	}
}

// cheap reports whether somebody may try an operation who was granted nothing at all.
func cheap(r auditlog.Record) bool {
	return r.User == auditlog.Stranger || forEverybody[r.Operation] && r.From != "uid 0"
}

// held begins an operation that anybody may try, after others of the same caller: it is written when it succeeds, and counts like a refusal when it does not. What
// changes something is so recorded all the same, if late; the caller has made sure that there is room for it.
func (j *Journal) held(start auditlog.Record) (done func(auditlog.Record)) {
	return func(end auditlog.Record) {
		if end.Code != "" || end.Exit != nil && *end.Exit != 0 {
			d := start
			d.Kind, d.Time, d.Code, d.Error = auditlog.Denied, j.cfg.Now(), end.Code, end.Error
			j.count(d)
			return
		}
		o := &operation{start: start}
		o.start.Late = true
		if out, err := j.write(o.start); err == nil {
			o.start, o.written = out[0], true
		} else {
			j.failed(err)
		}
		j.end(o, end)
	}
}
