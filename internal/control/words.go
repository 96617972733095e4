package control

import (
	"fmt"
	"slices"

	v1 "redoubt/api/v1"
	"redoubt/internal/rbac"
)

// nounWords says which authorizations the operations of a noun need, where that is not the noun itself: those of the cluster as a whole need the broad ones, what agents call those of
// what it is about.
var nounWords = map[string]string{
	"cluster": "", "role": "user", "profile": "user",
	"scha_resource_get": "resource", "scha_resourcegroup_get": "group", "scha_resourcetype_get": "type", "scha_cluster_get": "", "scha_control": "resource", "scha_resource_setstatus": "resource",
}

// rights are what the table of operations says, and what authorizations end with.
var rights = map[string]string{v1.AuthRead: rbac.Read, v1.AuthAdmin: rbac.Admin, v1.AuthModify: rbac.Modify}

// worded gives each operation its full authorization: the table says only which right it needs. An operation that does not say it makes the program not start.
func worded(table []v1.Operation) []v1.Operation {
	out := slices.Clone(table)
	for i, op := range out {
		right, ok := rights[op.Authorization]
		switch {
		case op.Authorization == v1.AuthRoot || op.Authorization == v1.AuthSelf || op.Authorization == v1.AuthOwn:
			continue
		case !ok:
			panic(fmt.Sprintf("operation %s %s needs %q, which is no authorization: every operation says what it needs", op.Noun, op.Verb, op.Authorization))
		case op.Peer: // what nodes do for each other is granted to nobody
			out[i].Authorization = v1.AuthNode
			continue
		}
		noun, other := nounWords[op.Noun]
		if !other {
			noun = op.Noun
		}
		word := rbac.WordFor(noun, right)
		if _, err := rbac.ParseWord(string(word)); err != nil {
			panic(fmt.Sprintf("operation %s %s: %v", op.Noun, op.Verb, err))
		}
		out[i].Authorization = string(word)
	}
	return out
}

// knownWord reports whether an authorization is needed by some operation, or includes one that is. Those of the partnership of clusters are known as such.
func knownWord(w rbac.Word) bool {
	for _, g := range []string{"geo"} {
		for _, right := range rights {
			if w == rbac.WordFor(g, right) {
				return true
			}
		}
	}
	return slices.ContainsFunc(operations, func(op v1.Operation) bool { return w.Implies(rbac.Word(op.Authorization)) })
}
