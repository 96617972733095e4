// Package shell reads text as a shell does, as far as that goes without running it: which commands are in it, and which words they have. The grammar is that of a
// library; what only the shell can know (a variable, the output of another command, a pattern) stays in the words as it was written.
package shell

import (
	"errors"
	"reflect"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"redoubt/internal/fault"
)

// Word is a word of a command, without its quotes.
type Word struct {
	Text string
	// Unknown says that parts of the text are known to the shell only; they stand in it as they were written.
	Unknown bool
	// Parts are what such a text is made of if nothing but values of variables is unknown.
	Parts []Part
}

// before puts a text before that of a word.
func (w *Word) before(text string) {
	w.Text = text + w.Text
	switch {
	case len(w.Parts) == 0:
	case w.Parts[0].Variable:
		w.Parts = slices.Insert(w.Parts, 0, Part{Text: text})
	default:
		w.Parts[0].Text = text + w.Parts[0].Text
	}
}

// Part is a text, or the name of a variable whose value stands there.
type Part struct {
	Text     string
	Variable bool
	Quoted   bool // of a variable: its value is not taken apart
}

// Command is one command, without those that are part of it.
type Command struct {
	// Words are assignments (NAME=VALUE), the name of the command and its arguments.
	Words []Word
	// Input are the files that it reads as its standard input, and Here are texts that it is given there.
	Input, Here []Word
	// Other are words that no command has for itself: what a loop goes through, what is compared.
	Other []Word
	// Piped says that its standard input is the output of another command.
	Piped bool
	// Within says that the shell runs it for the sake of another: $(...).
	Within bool
}

// MaxText is how many bytes of text are read: what is in brackets is read by going into it, which takes room.
const MaxText = 32 << 10

// maxLine is the same for Words, which whoever may only look can ask for.
const maxLine = 8 << 10

// Commands are the commands of a text for /bin/sh, each before those that are part of it, as in $(...). Which shell that is differs among systems: where they
// understand a text differently, what either would run is in the answer. The error says why no shell would run the text.
func Commands(text string) ([]Command, error) {
	all, err := commands(text, syntax.LangPOSIX)
	other := func(text string, lang syntax.LangVariant) {
		more, failed := commands(text, lang)
		if failed == nil {
			err = nil
		}
		for _, c := range more {
			if !slices.ContainsFunc(all, func(o Command) bool { return reflect.DeepEqual(c, o) }) {
				all = append(all, c)
			}
		}
	}
	other(text, syntax.LangBash)
	if strings.Contains(text, "&>") {
		other(strings.ReplaceAll(text, "&>", "& >"), syntax.LangPOSIX) // two commands for some shells
	}
	return all, err
}

// Words are the words of a line that has no command in it but one: nothing is expanded, and what a shell would expand stands in them as it was written.
func Words(text string) (words []string, err error) {
	if err := fits(text, maxLine); err != nil {
		return nil, err
	}
	r := reader{text: text}
	for w, err := range syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).WordsSeq(strings.NewReader(text)) {
		if err != nil {
			return nil, invalid(err)
		}
		words = append(words, r.word(w).Text)
	}
	if r.open {
		return nil, fault.Errorf(fault.Invalid, "nothing follows the last backslash")
	}
	return words, nil
}

// invalid is what is wrong with a text, at which of its bytes.
func invalid(err error) error {
	if p, ok := errors.AsType[syntax.ParseError](err); ok {
		return fault.Errorf(fault.Invalid, "%s, at byte %d", p.Text, p.Pos.Offset()+1)
	}
	return fault.Errorf(fault.Invalid, "%w", err)
}

func fits(text string, most int) error {
	if len(text) > most {
		return fault.Errorf(fault.Invalid, "the text has %d bytes; %d are read at most", len(text), most)
	}
	if strings.ContainsRune(text, 0) {
		return fault.Errorf(fault.Invalid, "the text has a byte of value 0, which no shell reads")
	}
	return nil
}

func commands(text string, lang syntax.LangVariant) ([]Command, error) {
	if err := fits(text, MaxText); err != nil {
		return nil, err
	}
	file, err := syntax.NewParser(syntax.Variant(lang)).Parse(strings.NewReader(text), "")
	if err != nil {
		return nil, invalid(err)
	}
	r := reader{text: text, taken: map[*syntax.Word]bool{}, piped: map[*syntax.Stmt]bool{}}
	syntax.Walk(file, r.visit)
	return r.commands, nil
}

// reader collects the commands of a text.
type reader struct {
	text     string
	commands []Command
	taken    map[*syntax.Word]bool // words that have been looked at with their command
	piped    map[*syntax.Stmt]bool // commands after a pipe
	open     bool                  // nothing follows a backslash
	way      []bool                // for each node above, whether what is in it is run for the sake of another
}

func (r *reader) visit(n syntax.Node) bool {
	if n == nil { // the end of a node
		r.way = r.way[:len(r.way)-1]
		return true
	}
	within := r.within()
	switch n.(type) {
	case *syntax.CmdSubst, *syntax.ProcSubst:
		within = true
	}
	r.way = append(r.way, within)
	switch n := n.(type) {
	case *syntax.WordIter:
		r.sets(n.Name)
	case *syntax.ParamExp:
		if n.Exp != nil && (n.Exp.Op == syntax.AssignUnset || n.Exp.Op == syntax.AssignUnsetOrNull) {
			r.sets(n.Param)
		}
	case *syntax.BinaryCmd:
		r.piped[n.Y] = n.Op == syntax.Pipe || n.Op == syntax.PipeAll
	case *syntax.Stmt:
		r.statement(n)
	case *syntax.Word:
		if !r.taken[n] {
			r.commands = append(r.commands, Command{Other: []Word{r.word(n)}, Within: r.within()})
		}
	}
	return true
}

func (r *reader) within() bool { return len(r.way) > 0 && r.way[len(r.way)-1] }

func (r *reader) statement(s *syntax.Stmt) {
	c := Command{Piped: r.piped[s], Within: r.within()}
	switch cmd := s.Cmd.(type) {
	case *syntax.CallExpr:
		c.Words = r.assignments(cmd.Assigns)
		for _, w := range cmd.Args {
			c.Words = append(c.Words, r.take(w))
		}
	case *syntax.DeclClause:
		c.Words = append([]Word{{Text: cmd.Variant.Value}}, r.assignments(cmd.Args)...)
	}
	for _, re := range s.Redirs {
		w := r.take(re.Word)
		switch re.Op {
		case syntax.RdrIn, syntax.RdrInOut:
			c.Input = append(c.Input, w)
		case syntax.WordHdoc:
			c.Here = append(c.Here, w)
		case syntax.Hdoc, syntax.DashHdoc:
			if re.Hdoc != nil {
				c.Here = append(c.Here, r.take(re.Hdoc))
			}
		}
	}
	if len(c.Words)+len(c.Input)+len(c.Here) > 0 {
		r.commands = append(r.commands, c)
	}
}

func (r *reader) assignments(all []*syntax.Assign) (out []Word) {
	for _, a := range all {
		var w Word
		if a.Value != nil {
			w = r.take(a.Value)
		}
		if a.Append || a.Array != nil || a.Index != nil { // there is more in the variable than stands here
			w.Unknown, w.Parts = true, nil
		}
		switch {
		case a.Name == nil: // an option of declare
		case a.Naked:
			w.Text = a.Name.Value
		default:
			w.before(a.Name.Value + "=")
		}
		out = append(out, w)
	}
	return out
}

func (r *reader) take(w *syntax.Word) Word {
	r.taken[w] = true
	return r.word(w)
}

// sets notes that the shell gives a variable values that are not told here.
func (r *reader) sets(name *syntax.Lit) {
	r.commands = append(r.commands, Command{Words: []Word{{Text: name.Value + "=", Unknown: true}}, Within: r.within()})
}

// build is a word that is being read.
type build struct {
	text     strings.Builder
	parts    []Part
	variable bool // a variable is in it
	opaque   bool // something else that only the shell knows
}

// word takes the quotes from a word.
func (r *reader) word(w *syntax.Word) Word {
	var b build
	r.parts(&b, w.Parts, false)
	out := Word{Text: b.text.String(), Unknown: b.variable || b.opaque}
	if b.variable && !b.opaque {
		out.Parts = b.parts
	}
	return out
}

func (r *reader) parts(b *build, parts []syntax.WordPart, quoted bool) {
	for _, p := range parts {
		from := b.text.Len()
		switch p := p.(type) {
		case *syntax.Lit:
			r.literal(b, p.Value, quoted)
		case *syntax.SglQuoted:
			b.opaque = b.opaque || p.Dollar && strings.Contains(p.Value, `\`)
			b.text.WriteString(p.Value)
		case *syntax.DblQuoted:
			r.parts(b, p.Parts, true)
			continue
		default:
			written := r.text[min(int(p.Pos().Offset()), len(r.text)):min(int(p.End().Offset()), len(r.text))]
			b.text.WriteString(written)
			if name := variable(p, written); name != "" {
				b.variable, b.parts = true, append(b.parts, Part{Text: name, Variable: true, Quoted: quoted})
			} else {
				b.opaque = true
			}
			continue
		}
		b.parts = append(b.parts, Part{Text: b.text.String()[from:]})
	}
}

// variable is the name of a variable whose value, as it is, is what was written stands for; "" for anything else.
func variable(p syntax.WordPart, written string) string {
	e, ok := p.(*syntax.ParamExp)
	if !ok || e.Param == nil || !syntax.ValidName(e.Param.Value) || written != "$"+e.Param.Value && written != "${"+e.Param.Value+"}" {
		return ""
	}
	return e.Param.Value
}

// literal takes the backslashes from a part of a word, and looks for patterns in it.
func (r *reader) literal(b *build, value string, quoted bool) {
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case c == '\\' && i+1 < len(value) && (!quoted || strings.IndexByte("$`\"\\\n", value[i+1]) >= 0):
			i++
			if c = value[i]; c == '\n' {
				continue
			}
		case c == '\\' && i+1 == len(value) && !quoted:
			r.open = true
		case (c == '*' || c == '?') && !quoted:
			b.opaque = true
		}
		b.text.WriteByte(c)
	}
}
