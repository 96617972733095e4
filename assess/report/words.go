package report

// Languages are those in which a report is written; the first is the one that is taken for any other.
var Languages = []string{"en", "ru"}

// headings of the sections, by language.
var headings = map[string]map[string]string{
	"en": {
		"dynamics": "Frequency and damage", "losses": "Losses", "ibm": "Expected loss by orders of magnitude", "optimum": "What protection costs and saves", "game": "Attacker and defender",
		"coverage": "Full overlap", "vulnerability": "Vulnerability", "access": "Decisions on access", "codes": "Access codes",
	},
	"ru": {
		"dynamics": "Частота и ущерб", "losses": "Потери", "ibm": "Ожидаемые потери по порядкам величин", "optimum": "Стоимость защиты и предотвращённые потери", "game": "Нарушитель и защитник",
		"coverage": "Полное перекрытие", "vulnerability": "Уязвимость", "access": "Решения о доступе", "codes": "Коды доступа",
	},
}

// heading is what a section is called.
func heading(section, lang string) string {
	if h, ok := headings[lang][section]; ok {
		return h
	}
	return either(headings["en"][section], section)
}
