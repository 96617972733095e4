package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
)

// userCan asks whether a user may do something. The operation may be one operand or two.
func userCan(c *cobra.Command, e Env, call Call, args []string) error {
	delete(call.Body, "names")
	switch {
	case len(args) < 2:
		return usageError{errors.New("user can needs a user and an operation"), `Such as: redoubt user can alice "group switch" web-rg`}
	case len(args) >= 3 && !strings.ContainsAny(args[1], " ."):
		args = append([]string{args[0], args[1] + " " + args[2]}, args[3:]...)
	}
	if len(args) > 3 {
		return usageError{fmt.Errorf("user can takes a user, an operation and an object, and was given %q besides", args[3]), ""}
	}
	call.Body["user"], call.Body["operation"] = args[0], args[1]
	if len(args) == 3 {
		call.Body["object"] = args[2]
	}
	return carryOut(c, e, call)
}

// withPassword carries out a command that sends the password of a role.
func withPassword(c *cobra.Command, e Env, call Call, _ []string) error {
	file, _ := call.Body["file"].(string)
	delete(call.Body, "file")
	password, err := e.secretFrom(file, "password", true)
	if err != nil {
		return err
	}
	switch {
	case len(password) > 0:
		call.Body["password"] = password
	case call.Verb != "create":
		return fault.Errorf(fault.Invalid, "%s: the password is empty; give it on standard input, in a file with -f, or on the terminal when asked", c.CommandPath())
	}
	return carryOut(c, e, call)
}

// envSession names the file that has the token of a session in a role. The token itself stands in no environment and no argument.
const envSession = "REDOUBT_SESSION"

// maxToken is how much of such a file is read.
const maxToken = 1 << 10

// assume takes on a role and runs a shell in it. When that ends, so does the session.
func assume(c *cobra.Command, e Env, call Call, args []string) error {
	if len(args) != 1 {
		return usageError{errors.New("role assume needs one role"), ""}
	}
	file, _ := call.Body["file"].(string)
	client, err := e.daemon(c)
	if err != nil {
		return err
	}
	session, err := e.enterRole(c, client, args[0], file)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "redoubt-role-")
	if err != nil {
		return fault.Errorf(fault.Internal, "keep the session in role %s: %w", session.Role, err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "session")
	if err := os.WriteFile(path, []byte(session.Token), 0o600); err != nil {
		return fault.Errorf(fault.Internal, "keep the session in role %s: %w", session.Role, err)
	}
	shell := e.getenv("SHELL")
	if shell == "" {
		shell = "/bin/sh"
	}
	fmt.Fprintf(e.Stderr, "In role %s until %s, or 15 minutes after the last command; exit leaves it.\n", session.Role, session.Expires.Local().Format("15:04:05"))
	sh := exec.CommandContext(c.Context(), shell)
	sh.Stdin, sh.Stdout, sh.Stderr = e.Stdin, e.Stdout, e.Stderr
	sh.Env = append(os.Environ(), envSession+"="+path, "REDOUBT_ROLE="+session.Role)
	err = sh.Run()
	if r, ok := client.(remote); ok {
		_ = r.api.InRole(session.Token).Do(c.Context(), "role", "drop", nil, nil) // it ends by itself soon
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return StatusError{exit.ExitCode()}
	}
	if err != nil {
		return fault.Errorf(fault.Internal, "run %s: %w", shell, err)
	}
	return nil
}

// enterRole asks for the password of a role and takes it on.
func (e Env) enterRole(c *cobra.Command, client Client, role, file string) (v1.RoleSession, error) {
	password, err := e.secretFrom(file, "password of role "+role, false)
	if err != nil {
		return v1.RoleSession{}, err
	}
	return ask[v1.RoleSession](c.Context(), client, Call{Noun: "role", Verb: "assume", Body: map[string]any{"names": []string{role}, "password": password}})
}

// inRole gives the client in the role that the command line or the shell says.
func (e Env) inRole(c *cobra.Command, r remote) (Client, error) {
	if role := global(c, "role"); role != "" {
		session, err := e.enterRole(c, r, role, global(c, "role-password-file"))
		if err != nil {
			return nil, err
		}
		return remote{r.api.InRole(session.Token)}, nil
	}
	path := e.getenv(envSession)
	if path == "" {
		return r, nil
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > maxToken {
		return nil, fault.Errorf(fault.Denied, "the session in a role that $%s names is gone; leave the shell and assume the role again", envSession)
	}
	token, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Errorf(fault.Denied, "the session in a role that $%s names can not be read: %w", envSession, err)
	}
	return remote{r.api.InRole(strings.TrimSpace(string(token)))}, nil
}

// holds writes what somebody is and holds.
func holds(l look, w v1.Whoami, _ bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, known by %s", w.User, map[string]string{"local": "the kernel of this node", "certificate": "certificate", "session": "a session"}[w.Known])
	if w.From != "" {
		fmt.Fprintf(&b, ", from %s", w.From)
	}
	if w.Role != "" {
		fmt.Fprintf(&b, ", in role %s", w.Role)
	}
	b.WriteString("\n" + sessionLine(w.Session))
	if len(w.Groups) > 0 {
		fmt.Fprintf(&b, "Unix groups: %s\n", strings.Join(w.Groups, ", "))
	}
	if len(w.Roles) > 0 {
		fmt.Fprintf(&b, "Roles: %s\n", strings.Join(w.Roles, ", "))
	}
	switch {
	case w.Root:
		b.WriteString("Holds everything: root of a node does.\n")
	case len(w.Holds) == 0:
		b.WriteString("Holds nothing.\n")
	default:
		var rows [][]string
		for _, h := range w.Holds {
			rows = append(rows, []string{h.Authorization, h.Scope, strings.Join(h.Through, " > ")})
		}
		b.WriteString("\n" + l.grid("", []string{"Authorization", "Scope", "Through"}, rows))
	}
	return b.String()
}

// decided writes why somebody may do something, or may not.
func decided(l look, d v1.Decision, _ bool) string {
	word := l.paint(bad, "No")
	if d.Allowed {
		word = l.paint(good, "Yes")
	}
	out := fmt.Sprintf("%s: user %s, %s (%s), %s\n", word, d.User, d.Operation, d.Authorization, d.Object)
	for _, why := range d.Why {
		out += l.wrapped("  ", why)
	}
	return out
}
