package live

import "redoubt/assess/catalogue"

// What has to be known about the figures of a cluster.
var (
	sayMissing = catalogue.Words{
		EN: "%s could not be read (%s): what rests on it counts as not in place, and nothing is concluded from it",
		RU: "%s: прочитать не удалось (%s); всё, что на этом основано, считается отсутствующим, и выводов из этого не сделано",
	}
	sayZones = catalogue.Words{
		EN: "zone clusters are no part of the export, and so of no figure",
		RU: "зонные кластеры в выгрузку не входят и ни в одном показателе не учтены",
	}
	sayHardening = catalogue.Words{
		EN: "the hardening of the machines is no part of the export: `redoubt harden check` looks at it on each machine",
		RU: "усиление защиты машин в выгрузку не входит: его проверяет `redoubt harden check` на каждой машине",
	}
	sayNoPrices = catalogue.Words{
		EN: "the catalogue has no prices: losses are hours of outage, and what means cost is hours of work; what pays is not said. Give prices in a copy of the catalogue",
		RU: "в каталоге нет цен: потери выражены в часах простоя, стоимость средств — в часах работы, и окупаемость не определена. Задайте цены в копии каталога",
	}
	sayOnlyOutages = catalogue.Words{
		EN: "only outages are counted as losses: what the other threats cost, the cluster can not know. Print the model with --model, add damages to it, and run `redoubt assess run`",
		RU: "потерями считаются только простои: ущерб от остальных угроз кластеру неизвестен. Выведите модель с --model, добавьте ущербы и выполните `redoubt assess run`",
	}
	sayOpenOutages = catalogue.Words{
		EN: "%d outages were not over when the export was taken: they count, but how long they last is not known yet",
		RU: "простоев, не закончившихся к моменту выгрузки: %d; они учтены, но их длительность ещё неизвестна",
	}
	sayNoProfiles = catalogue.Words{
		EN: "the rights profiles are not known%s: there are no access codes of them",
		RU: "профили прав неизвестны%s: коды доступа для них не построены",
	}
)
