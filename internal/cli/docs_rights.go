package cli

import (
	"bytes"
	"fmt"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/control"
	"redoubt/internal/rbac"
)

// authorizationsPage is the page of the reference that says what each operation needs.
const authorizationsPage = "authorizations.md"

// authorizations writes the page from the table by which the daemon decides.
func authorizations() []byte {
	var b bytes.Buffer
	b.WriteString("# Authorizations\n\nWhat each operation needs. [security.md](../security.md) says how it is granted.\n\n| operation | needs | it does |\n| --- | --- | --- |\n")
	for _, op := range control.Operations() {
		need := "`" + op.Authorization + "`"
		switch op.Authorization {
		case v1.AuthRoot:
			need = "root of a node"
		case v1.AuthNode:
			need = "a node of the cluster"
		case v1.AuthSelf:
			need = "nothing: everybody may who is known"
		case v1.AuthOwn:
			need = "root of a node; on a node, for himself, everybody who holds something"
		}
		if op.Firm {
			need += "; not in a session"
		}
		if op.Open {
			need += ", or the access list admits the machine"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.TrimSuffix(op.Noun+" "+op.Verb, " call"), need, op.Summary)
	}
	b.WriteString("\n# Rights profiles\n\n| profile | authorizations | and those of | for |\n| --- | --- | --- | --- |\n")
	for _, p := range rbac.Builtin() {
		var words []string
		for _, w := range p.Authorizations {
			words = append(words, "`"+string(w)+"`")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", p.Name, strings.Join(words, ", "), strings.Join(p.Profiles, ", "), p.Description)
	}
	return b.Bytes()
}
