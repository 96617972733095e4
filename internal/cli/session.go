package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
)

func sessionNoun() noun {
	user := option{"user", "", text, "of this user"}
	vs := reads("session", "SESSION", "list", "show")
	for i := range vs {
		vs[i].options = []option{user}
	}
	return noun{name: "session", short: "Let oneself in over the network without a certificate, for a time", verbs: append(vs,
		verb{name: "open", short: "Open a session; its token is printed once, on standard output", example: "redoubt session open --for 4h --idle 30m", act: sessionOpen, options: []option{
			{"for", "", text, "how long it lasts, as 90m or 8h"}, {"idle", "", text, "after how long without a request it is over"},
			{"user", "", text, "for whom; only root opens one for somebody else"}, {"authority", "", text, "the file to write the authority of the nodes to, by which clients know them"},
		}},
		verb{name: "close", short: "Close sessions; without any the one in which it is asked for", example: "redoubt session close --all", operand: "SESSION", optional: true, act: sessionClose, options: []option{
			{"all", "", boolean, "all of yours"}, {"user", "", text, "all of this user"},
		}},
	)}
}

// sessionOpen opens a session and prints its token alone on standard output: it is not kept anywhere.
func sessionOpen(c *cobra.Command, e Env, call Call, _ []string) error {
	for _, name := range []string{"for", "idle"} {
		said, ok := call.Body[name].(string)
		if !ok {
			continue
		}
		d, err := time.ParseDuration(said)
		if err != nil || d < time.Second || d%time.Second != 0 {
			return usageError{fmt.Errorf("--%s %s: want a time of whole seconds, as 90m or 8h", name, said), ""}
		}
		call.Body[name] = int(d / time.Second)
	}
	file, _ := call.Body["authority"].(string)
	delete(call.Body, "authority")
	client, err := e.daemon(c)
	if err != nil {
		return err
	}
	answer, err := client.Do(c.Context(), call)
	if err != nil {
		return err
	}
	s, err := decoded[v1.SessionOpened](answer)
	if err != nil {
		return err
	}
	if file != "" {
		if err := os.WriteFile(file, []byte(s.Authority), 0o644); err != nil {
			return fault.Errorf(fault.Internal, "the session is open (close it with `redoubt session close %s`), but the authority of the nodes was not written: %w", s.ID, err)
		}
	}
	if form, _ := format(c); form != "table" {
		return show(c, e, call, answer)
	}
	fmt.Fprintf(e.Stderr, "Session %s of %s until %s, or %v after its last request. The token is all that is needed to be %s; show it as \"Authorization: Bearer TOKEN\".\n",
		s.ID, s.User, s.Ends.Local().Format("2006-01-02 15:04"), time.Duration(s.Idle)*time.Second, s.User)
	_, err = fmt.Fprintln(e.Stdout, s.Token)
	return err
}

// sessionClose closes those that are named. No operand means the session of the request, and not all of them.
func sessionClose(c *cobra.Command, e Env, call Call, args []string) error {
	if all := c.Flags().Changed("all") || len(args) == 1 && args[0] == "+"; !all {
		delete(call.Body, "all")
	}
	return carryOut(c, e, call)
}

// sessionTable writes the sessions that last.
func sessionTable(l look, all []v1.Session, _ bool) string {
	var rows [][]string
	for _, s := range all {
		this := ""
		if s.This {
			this = "this one"
		}
		rows = append(rows, []string{s.ID, s.User, s.From, s.Opened.Local().Format("01-02 15:04"), s.Used.Local().Format("01-02 15:04"), s.Ends.Local().Format("01-02 15:04"), (time.Duration(s.Idle) * time.Second).String(), this})
	}
	return l.grid("", []string{"Session", "User", "Opened from", "Opened", "Used", "Ends", "Idle time", ""}, rows)
}

// sessionLine says how long a session lasts.
func sessionLine(s *v1.Session) string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf("In session %s, opened from %s, until %s or %v after the last request. What says who may do what, who gets in and what is recorded is not changed in a session.\n",
		s.ID, s.From, s.Ends.Local().Format("2006-01-02 15:04"), time.Duration(s.Idle)*time.Second)
}

// tokenFrom reads the token of a session from a file; - is standard input.
func (e Env) tokenFrom(file string) (string, error) {
	b, err := e.secretFrom(file, "Token", false)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(b))
	if token == "" || len(token) > maxToken || strings.ContainsAny(token, "\r\n\t ") {
		return "", usageError{errors.New("--session " + file + ": there is no token of a session in it"), "`redoubt session open` on a node prints one."}
	}
	return token, nil
}
