package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
)

func optFollow() option {
	return option{"watch", "w", boolean, "go on and show every change until interrupted"}
}

// maxRecent is how many happenings stand below the live report.
const maxRecent = 6

// follow shows the state of the cluster: once, or with -w again whenever it changes. On a terminal the report is drawn anew in its place;
// otherwise each change is a line, or with -o json a document.
func follow(c *cobra.Command, e Env, call Call, _ []string) error {
	delete(call.Body, "watch")
	if on, _ := c.Flags().GetBool("watch"); !on {
		return carryOut(c, e, call)
	}
	client, err := e.daemon(c)
	if err != nil {
		return err
	}
	w, ok := client.(Watcher)
	if !ok {
		return fault.Errorf(fault.Unsupported, "%s -w: this client can not follow the cluster", c.CommandPath())
	}
	form, _ := format(c)
	_, _, terminal := e.screen()
	v := view{e: e, look: e.look(), form: form, live: terminal && form == "table"}
	err = v.run(c.Context(), w)
	if v.live {
		fmt.Fprint(e.Stdout, "\x1b[?25h")
	}
	if c.Context().Err() != nil {
		return nil // the person has seen enough
	}
	return err
}

// view is what status -w shows.
type view struct {
	e      Env
	look   look
	form   string
	live   bool
	status *v1.Status
	away   string // why there is nothing newer
	recent []string
	drawn  int // lines of the report on the screen
}

func (v *view) run(ctx context.Context, w Watcher) error {
	if v.live {
		fmt.Fprint(v.e.Stdout, "\x1b[?25l") // the cursor only flickers
	}
	for ev, err := range w.Watch(ctx) {
		if err != nil {
			if fault.Is(err, fault.Denied) || fault.Is(err, fault.Unsupported) {
				return err
			}
			v.away = err.Error()
			if !v.live {
				fmt.Fprintf(v.e.Stderr, "redoubt: %s; trying again\n", err)
			}
		} else {
			v.away = ""
		}
		if err := v.take(ev); err != nil {
			return err
		}
	}
	return nil
}

// take takes one event in and shows it.
func (v *view) take(ev v1.Event) error {
	if v.form == "json" {
		if ev.Kind == "" {
			return nil
		}
		return json.NewEncoder(v.e.Stdout).Encode(ev)
	}
	if v.form == "yaml" {
		if ev.Kind == "" {
			return nil
		}
		text, err := json.Marshal(ev)
		if err != nil {
			return fault.Errorf(fault.Internal, "print an event: %w", err)
		}
		fmt.Fprintln(v.e.Stdout, "---")
		return write(v.e.Stdout, "yaml", text)
	}
	if ev.Note != nil {
		v.happened(ev.Note.At, ev.Note.Object+": "+ev.Note.Text)
	}
	if ev.Status != nil {
		if v.status == nil && !v.live {
			fmt.Fprint(v.e.Stdout, v.look.report(ev.Status))
		} else if v.status != nil {
			for _, c := range v.look.changes(v.status, ev.Status) {
				v.happened(ev.Status.Time, c.text)
			}
		}
		v.status = ev.Status
	}
	if v.live {
		v.draw()
	}
	return nil
}

func (v *view) happened(at time.Time, text string) {
	if at.IsZero() {
		at = v.e.now()
	}
	line := at.Local().Format(time.TimeOnly) + "  " + text
	if !v.live {
		fmt.Fprintln(v.e.Stdout, line)
		return
	}
	v.recent = append(v.recent, line)
	v.recent = v.recent[max(0, len(v.recent)-maxRecent):]
}

// draw writes the report over the one before.
func (v *view) draw() {
	width, height, ok := v.e.screen()
	if !ok {
		return
	}
	v.look.width = width
	var b strings.Builder
	if v.status != nil {
		b.WriteString(v.look.report(v.status))
	}
	if v.away != "" {
		b.WriteString("\n" + v.look.wrapped("", v.look.paint(bad, "No news: ")+v.away))
	}
	if len(v.recent) > 0 {
		v.look.section(&b, "Recently")
		for _, r := range v.recent {
			b.WriteString("  " + r + "\n")
		}
	}
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	if height > 2 && len(lines) > height-1 {
		more := len(lines) - (height - 2)
		lines = append(lines[:height-2], fmt.Sprintf("... %d more lines: make the window higher", more))
	}
	var out strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&out, "\x1b[%dA\r", v.drawn)
	}
	for _, l := range lines {
		out.WriteString(l + "\x1b[K\n")
	}
	out.WriteString("\x1b[J")
	fmt.Fprint(v.e.Stdout, out.String())
	v.drawn = len(lines)
}
