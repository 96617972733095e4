package game

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bounds of an .nfg file.
const (
	maxNFGStrategies = 2000
	maxNFGText       = 1000 // characters of a name
)

// ReadNFG reads a two-player game in gambit's format .nfg, version 1, with payoffs or with outcomes. Numbers may be whole, decimal or fractions. The error names the line.
func ReadNFG(text []byte) (Bimatrix, error) {
	r := &nfgReader{text: string(text), line: 1}
	g, err := r.game()
	if err != nil {
		return Bimatrix{}, fmt.Errorf("nfg: line %d: %w", r.line, err)
	}
	return g, nil
}

type nfgReader struct {
	text string
	at   int
	line int
}

// token gives the next one: a brace, a text with its opening quote, or a word; "" at the end. Commas count as space.
func (r *nfgReader) token() (string, error) {
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n,", r.text[r.at]) >= 0 {
		if r.text[r.at] == '\n' {
			r.line++
		}
		r.at++
	}
	if r.at == len(r.text) {
		return "", nil
	}
	start := r.at
	switch c := r.text[r.at]; c {
	case '{', '}':
		r.at++
		return string(c), nil
	case '"':
		var b strings.Builder
		b.WriteByte('"')
		for r.at++; r.at < len(r.text); r.at++ {
			switch c := r.text[r.at]; {
			case c == '\\' && r.at+1 < len(r.text) && (r.text[r.at+1] == '"' || r.text[r.at+1] == '\\'):
				r.at++
				b.WriteByte(r.text[r.at])
			case c == '"':
				r.at++
				return b.String(), nil
			default:
				if c == '\n' {
					r.line++
				}
				b.WriteByte(c)
			}
			if b.Len() > maxNFGText {
				return "", fmt.Errorf("a text has more than %d characters", maxNFGText)
			}
		}
		return "", errors.New("a text is not closed by a quotation mark")
	}
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n,{}\"", r.text[r.at]) < 0 {
		r.at++
	}
	return r.text[start:r.at], nil
}

// peek looks at the next token without taking it.
func (r *nfgReader) peek() (string, error) {
	at, line := r.at, r.line
	t, err := r.token()
	if err == nil {
		r.at, r.line = at, line
	}
	return t, err
}

func (r *nfgReader) expect(want string) error {
	t, err := r.token()
	if err == nil && t != want {
		err = fmt.Errorf("%s stands where %q should", shown(t), want)
	}
	return err
}

func shown(t string) string {
	if t == "" {
		return "the end of the file"
	}
	if len(t) > 40 {
		t = t[:40] + "..."
	}
	return strconv.Quote(strings.TrimPrefix(t, `"`))
}

func (r *nfgReader) string() (string, error) {
	t, err := r.token()
	if err == nil && !strings.HasPrefix(t, `"`) {
		err = fmt.Errorf("%s stands where a text in quotation marks should", shown(t))
	}
	return strings.TrimPrefix(t, `"`), err
}

// number reads a whole number, a decimal or a fraction.
func (r *nfgReader) number() (float64, error) {
	t, err := r.token()
	if err != nil {
		return 0, err
	}
	over, under, fraction := strings.Cut(t, "/")
	v, err := strconv.ParseFloat(over, 64)
	if err == nil && fraction {
		var d float64
		d, err = strconv.ParseFloat(under, 64)
		v /= d
	}
	if err != nil || !(math.Abs(v) <= maxEntry) {
		return 0, fmt.Errorf("%s is not a number up to %g", shown(t), maxEntry)
	}
	return v, nil
}

func (r *nfgReader) game() (Bimatrix, error) {
	var g Bimatrix
	for _, word := range []string{"NFG", "1"} {
		if err := r.expect(word); err != nil {
			return g, fmt.Errorf("%w: the file has to begin with NFG 1 R", err)
		}
	}
	if kind, err := r.token(); err != nil || kind != "R" && kind != "D" {
		return g, fmt.Errorf("%s stands where R should", shown(kind))
	}
	var err error
	if g.Title, err = r.string(); err != nil {
		return g, err
	}
	players, err := r.names()
	if err != nil {
		return g, err
	}
	if len(players) != 2 {
		return g, fmt.Errorf("the game has %d players: games of 2 are read", len(players))
	}
	copy(g.Players[:], players)
	if err := r.strategies(&g); err != nil {
		return g, err
	}
	next, err := r.peek()
	if err != nil {
		return g, err
	}
	if strings.HasPrefix(next, `"`) { // a comment
		if _, err := r.token(); err != nil {
			return g, err
		}
		if next, err = r.peek(); err != nil {
			return g, err
		}
	}
	cell := func() ([2]float64, error) { return r.pair() }
	if next == "{" {
		outcomes, err := r.outcomes(len(g.A) * len(g.A[0]))
		if err != nil {
			return g, err
		}
		cell = func() ([2]float64, error) {
			t, err := r.token()
			if err != nil {
				return [2]float64{}, err
			}
			n, err := strconv.Atoi(t)
			if err != nil || n < 0 || n > len(outcomes) {
				return [2]float64{}, fmt.Errorf("%s is not an outcome: they go from 1 to %d, 0 is none", shown(t), len(outcomes))
			}
			if n == 0 {
				return [2]float64{}, nil
			}
			return outcomes[n-1], nil
		}
	}
	// The strategies of the first player change fastest.
	for j := range g.A[0] {
		for i := range g.A {
			p, err := cell()
			if err != nil {
				return g, fmt.Errorf("row %d, column %d: %w", i+1, j+1, err)
			}
			g.A[i][j], g.B[i][j] = p[0], p[1]
		}
	}
	if t, err := r.token(); err != nil || t != "" {
		return g, fmt.Errorf("%s stands after the last payoff", shown(t))
	}
	return g, nil
}

func (r *nfgReader) pair() (p [2]float64, err error) {
	for k := range p {
		if p[k], err = r.number(); err != nil {
			return p, err
		}
	}
	return p, nil
}

// names reads a list of texts in braces.
func (r *nfgReader) names() ([]string, error) {
	if err := r.expect("{"); err != nil {
		return nil, err
	}
	var out []string
	for {
		t, err := r.peek()
		if err != nil {
			return nil, err
		}
		if t == "}" {
			_, err := r.token()
			return out, err
		}
		name, err := r.string()
		if err != nil {
			return nil, err
		}
		if out = append(out, name); len(out) > maxNFGStrategies {
			return nil, fmt.Errorf("a list has more than %d names", maxNFGStrategies)
		}
	}
}

// strategies reads their numbers, or lists of their names, and makes room for the payoffs.
func (r *nfgReader) strategies(g *Bimatrix) error {
	if err := r.expect("{"); err != nil {
		return err
	}
	var counts [2]int
	for p := range counts {
		next, err := r.peek()
		if err != nil {
			return err
		}
		if next == "{" {
			names, err := r.names()
			if err != nil {
				return err
			}
			counts[p] = len(names)
			if p == 0 {
				g.Rows = names
			} else {
				g.Columns = names
			}
		} else {
			if _, err := r.token(); err != nil {
				return err
			}
			if counts[p], err = strconv.Atoi(next); err != nil {
				return fmt.Errorf("%s is not a number of strategies", shown(next))
			}
		}
		if counts[p] < 1 || counts[p] > maxNFGStrategies {
			return fmt.Errorf("player %d has %d strategies: 1 to %d are read", p+1, counts[p], maxNFGStrategies)
		}
	}
	if err := r.expect("}"); err != nil {
		return err
	}
	// Every payoff takes at least two characters: a file that is too short for its numbers gets no room.
	if counts[0]*counts[1]*2 > len(r.text)-r.at+2 {
		return fmt.Errorf("the file is too short for %d x %d strategies", counts[0], counts[1])
	}
	g.A, g.B = make([][]float64, counts[0]), make([][]float64, counts[0])
	for i := range g.A {
		g.A[i], g.B[i] = make([]float64, counts[1]), make([]float64, counts[1])
	}
	return nil
}

// outcomes reads the list of outcomes, each a name and two payoffs in braces.
func (r *nfgReader) outcomes(most int) ([][2]float64, error) {
	if err := r.expect("{"); err != nil {
		return nil, err
	}
	var out [][2]float64
	for {
		t, err := r.token()
		switch {
		case err != nil:
			return nil, err
		case t == "}":
			return out, nil
		case t != "{":
			return nil, fmt.Errorf("%s stands where an outcome in braces should", shown(t))
		}
		if _, err := r.string(); err != nil {
			return nil, err
		}
		p, err := r.pair()
		if err != nil {
			return nil, err
		}
		if err := r.expect("}"); err != nil {
			return nil, err
		}
		if out = append(out, p); len(out) > most+1 {
			return nil, fmt.Errorf("there are more outcomes than the %d cells of the game", most)
		}
	}
}

// NFG is the game in gambit's format .nfg, with payoffs.
func (g Bimatrix) NFG() ([]byte, error) {
	if err := g.valid(); err != nil {
		return nil, err
	}
	quote := func(s string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	list := func(names []string, n int) string {
		if len(names) != n {
			return strconv.Itoa(n)
		}
		quoted := make([]string, n)
		for i, s := range names {
			quoted[i] = quote(s)
		}
		return "{ " + strings.Join(quoted, " ") + " }"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "NFG 1 R %s { %s %s }\n\n{ %s\n%s\n}\n%s\n\n", quote(g.Title), quote(g.Players[0]), quote(g.Players[1]),
		list(g.Rows, len(g.A)), list(g.Columns, len(g.A[0])), quote(""))
	for j := range g.A[0] {
		for i := range g.A {
			if i+j > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(strconv.FormatFloat(g.A[i][j], 'f', -1, 64) + " " + strconv.FormatFloat(g.B[i][j], 'f', -1, 64))
		}
	}
	b.WriteByte('\n')
	return []byte(b.String()), nil
}
