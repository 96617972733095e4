package auditfile

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"redoubt/internal/auditlog"
)

// load reads what is there, puts right what a crash left, and notes it.
func (l *Log) load() error {
	s, err := Read(l.cfg.Dir)
	if err != nil {
		return err
	}
	s.Public = l.key.Public()
	for name, into := range map[string]**os.File{auditlog.NameTwin: &l.twin, auditlog.NameTree: &l.hashes, auditlog.NameText: &l.text} {
		if *into, err = os.OpenFile(l.path(name), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
			return err
		}
	}
	var repairs []string
	lines, cut := l.records(s)
	if cut > 0 {
		if err := l.twin.Truncate(l.end()); err != nil {
			return err
		}
		repairs = append(repairs, fmt.Sprintf("%d bytes of records that were not finished when the machine or the daemon ended were taken off the end of %s", cut, auditlog.NameTwin))
		s.Twin = s.Twin[:l.end()]
	}
	added, err := l.grow(s.Tree, lines)
	if err != nil {
		return err
	}
	if added > 0 && len(s.Tree) > 0 {
		repairs = append(repairs, fmt.Sprintf("%d hashes were missing at the end of %s", added, auditlog.NameTree))
	}
	records := decoded(lines)
	fixed, err := l.repairText(records, s.Text)
	if err != nil {
		return err
	}
	repairs = append(repairs, fixed...)
	for _, r := range records {
		if l.since.IsZero() || r.Kind == auditlog.Mark && r.Event == auditlog.MarkRotated {
			l.since = r.Time
		}
	}
	again, err := Read(l.cfg.Dir)
	if err != nil {
		return err
	}
	again.Public = s.Public
	if len(lines) > 0 || len(s.Head) > 0 {
		l.trouble = auditlog.Verify(again)
	}
	return l.began(records, repairs)
}

// records finds the lines of the twin that count, and how many bytes behind them do not.
func (l *Log) records(s auditlog.Stored) (lines [][]byte, cut int) {
	lines, _ = auditlog.Lines(s.Twin)
	safe := uint64(len(s.Tree) / auditlog.HashSize)
	if head, err := auditlog.OpenHead(s.Public, s.Head); err == nil {
		safe = max(safe, head.Size)
	}
	// What was never acknowledged may be half written, also in the middle: a file may have grown before its content was there.
	for i := int(min(safe, uint64(len(lines)))); i < len(lines); i++ {
		if r, err := auditlog.Decode(lines[i]); err != nil || r.Seq != uint64(i) {
			lines = lines[:i]
			break
		}
	}
	end := int64(0)
	for _, line := range lines {
		end += int64(len(line)) + 1
		l.ends = append(l.ends, end)
	}
	return lines, len(s.Twin) - int(end)
}

// grow makes the tree from the hashes that were written, which are the older witness of what the log was, and from the lines behind them.
func (l *Log) grow(stored []byte, lines [][]byte) (added int, err error) {
	if l.tree, err = auditlog.NewTree(auditlog.Base{}); err != nil {
		return 0, err
	}
	for len(stored) >= auditlog.HashSize {
		l.tree.Append(stored[:auditlog.HashSize])
		stored = stored[auditlog.HashSize:]
	}
	before := l.tree.Size()
	var more []byte
	for i := before; i < uint64(len(lines)); i++ {
		h := auditlog.LeafHash(lines[i])
		l.tree.Append(h)
		more = append(more, h...)
	}
	if len(stored) > 0 || len(more) > 0 {
		at := int64(before) * auditlog.HashSize
		if err := l.hashes.Truncate(at); err != nil {
			return 0, err
		}
		if _, err := l.hashes.WriteAt(more, at); err != nil {
			return 0, err
		}
	}
	// Lines that somebody took away leave places that no line has: new records stand behind them all the same.
	for uint64(len(l.ends)) < l.tree.Size() {
		l.ends = append(l.ends, l.end())
	}
	return int(l.tree.Size() - before), nil
}

func decoded(lines [][]byte) []auditlog.Record {
	var out []auditlog.Record
	for _, line := range lines {
		if r, err := auditlog.Decode(line); err == nil {
			out = append(out, r)
		}
	}
	return out
}

// repairText writes the lines that a crash kept from the text file, and finishes a rotation. A file that differs in any other way is left as it is.
func (l *Log) repairText(records []auditlog.Record, files []auditlog.File) (repairs []string, err error) {
	want := auditlog.Files(records)
	have := ""
	for _, f := range files {
		if f.Name == auditlog.NameText {
			have = string(f.Content)
		}
	}
	if len(want) > 1 && have != "" && strings.HasPrefix(text(want[1]), have) && !strings.HasPrefix(text(want[0]), have) {
		if err := l.complete(text(want[1]), have); err != nil {
			return nil, err
		}
		if err := l.shift(); err != nil {
			return nil, err
		}
		repairs, have = append(repairs, "the rotation of "+auditlog.NameText+" was finished"), ""
	}
	whole := text(want[0])
	if have == whole || !strings.HasPrefix(whole, have) {
		return repairs, nil
	}
	if err := l.complete(whole, have); err != nil {
		return nil, err
	}
	if have != "" {
		repairs = append(repairs, fmt.Sprintf("%d bytes were missing at the end of %s and were written again from the records", len(whole)-len(have), auditlog.NameText))
	} else if len(want[0]) > 0 && len(want) == 1 {
		repairs = append(repairs, auditlog.NameText+" was empty or not there and was written again from the records")
	}
	return repairs, nil
}

func (l *Log) complete(whole, have string) error {
	_, err := l.text.WriteAt([]byte(whole[len(have):]), int64(len(have)))
	return err
}

func text(lines []auditlog.Line) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line.Text)
		b.WriteByte('\n')
	}
	return b.String()
}

// began notes that the log is open, what was put right, and which commands will never end.
func (l *Log) began(records []auditlog.Record, repairs []string) error {
	now := l.cfg.Now()
	mark := func(event, text string) auditlog.Record {
		return auditlog.Record{Time: now, Kind: auditlog.Mark, Event: event, User: l.cfg.User, PID: os.Getpid(), Text: text}
	}
	var marks []auditlog.Record
	for _, r := range repairs {
		marks = append(marks, mark(auditlog.MarkRepaired, r))
	}
	var open []string
	for _, e := range auditlog.Commands(records) {
		if e.State == auditlog.StateRunning {
			open = append(open, fmt.Sprintf("entry %d, %s", e.Seq, e.Operation))
		}
	}
	text := "redoubtd begins"
	if len(open) > 0 {
		text += fmt.Sprintf("; %d commands did not end before the last one did: %s", len(open), strings.Join(open, "; "))
	}
	// A disk that is full keeps no daemon from starting: the log says so when it is asked to write.
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(records) == 0 {
		l.sign()
	}
	_, err := l.append(append(marks, mark(auditlog.MarkBegan, text)))
	if err != nil {
		l.sign()
	}
	return nil
}

// rotate makes the text file an archive and begins a new one. The record comes first: it says which line belongs to which file. What fails here is done when
// the log is opened next; nobody's command waits for it.
func (l *Log) rotate(now time.Time) {
	if _, err := l.append([]auditlog.Record{{Time: now, Kind: auditlog.Mark, Event: auditlog.MarkRotated, User: l.cfg.User, PID: os.Getpid(), Text: "the text file is rotated"}}); err != nil {
		return
	}
	l.since = now
	if len(l.behind) == 0 { // or the archive would not be complete
		_ = l.shift()
	}
}

// shift renames the text files, the oldest one away.
func (l *Log) shift() error {
	name := func(i int) string { return l.path(fmt.Sprintf("%s.%d", auditlog.NameText, i)) }
	if err := l.text.Sync(); err != nil {
		return err
	}
	if err := os.Remove(name(auditlog.Archives - 1)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for i := auditlog.Archives - 2; i >= 0; i-- {
		if err := os.Rename(name(i), name(i+1)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(l.path(auditlog.NameText), name(0)); err != nil {
		return err
	}
	f, err := os.OpenFile(l.path(auditlog.NameText), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	_ = l.text.Close()
	l.text = f
	return nil
}
