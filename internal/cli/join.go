package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "redoubt/api/v1"
)

// join asks the sponsor. While nobody has approved this machine's key it says which key that is, and what to run where.
func join(c *cobra.Command, e Env, call Call, _ []string) error {
	file, withToken := call.Body["tokenFile"].(string)
	showKey, _ := call.Body["showKey"].(bool)
	delete(call.Body, "tokenFile")
	delete(call.Body, "showKey")
	client, err := e.daemon(c)
	if err != nil {
		return err
	}
	asked := Call{Noun: "node", Verb: "key", Read: true, Body: map[string]any{}}
	if showKey {
		answer, err := client.Do(c.Context(), asked)
		if err != nil {
			return err
		}
		return show(c, e, asked, answer)
	}
	if withToken {
		token, err := e.secretFrom(file, "Token", false)
		if err != nil {
			return err
		}
		call.Body["token"] = lastLine(string(token))
	} else if answer, err := client.Do(c.Context(), asked); err == nil {
		var key v1.JoinKey
		if err := json.Unmarshal(answer, &key); err == nil && key.Fingerprint != "" {
			defer e.after(time.Second, fmt.Sprintf("This machine's key is %s.\nIf it is not approved yet, run on a node of the cluster:\n  redoubt access approve %s %s\n", key.Fingerprint, key.Node, key.Fingerprint))()
		}
	}
	answer, err := perform(c, e, client, call, true)
	if err != nil {
		return err
	}
	return show(c, e, call, answer)
}

// lastLine is what `access allow --token` prints as a line of its own: the rest of its answer may have come with it.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// after says something at standard error when the time has passed before the function that it returns is called.
func (e Env) after(d time.Duration, text string) (stop func()) {
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			fmt.Fprint(e.Stderr, text)
		case <-over:
		}
	}()
	return func() {
		close(over)
		<-done
	}
}

// allowed prints what was allowed, and the token, if there is one, as the last line alone: it is not kept anywhere.
func allowed(_ look, a v1.AccessAllowed, _ bool) string {
	var b strings.Builder
	for _, m := range a.Messages {
		b.WriteString(strings.ToUpper(m[:1]) + m[1:] + ".\n")
	}
	if a.Token != "" {
		b.WriteString(a.Token + "\n")
	}
	return b.String()
}

// accessTable is the access list for people.
func accessTable(l look, a v1.Access, _ bool) string {
	var rows [][]string
	for _, e := range a.Entries {
		until, key := "-", e.Key
		if e.Expires != nil {
			until = e.Expires.Format(time.RFC3339)
		}
		if key == "" {
			key = "-"
		}
		state := "may join"
		switch {
		case e.Settling:
			state = "admitted, not settled yet"
		case e.Protocol == "key" && e.Key == "":
			state = "may ask"
		}
		rows = append(rows, []string{e.Host, state, e.Protocol, key, strings.Join(e.Addresses, ","), until, e.By})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Policy: %s\nProtocol: %s\n", a.Policy, a.Protocol)
	if len(rows) > 0 {
		b.WriteString(l.grid("", []string{"Host", "Permission", "Protocol", "Key", "Addresses", "Until", "By"}, rows))
	}
	for _, e := range a.Entries {
		for _, p := range e.Pending {
			fmt.Fprintf(&b, "%s asks to join with key %s, from %s, at %s\n  redoubt access approve %s %s\n", p.Host, p.Key, p.From, p.At.Format(time.RFC3339), p.Host, p.Key)
		}
	}
	return b.String()
}
