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
		EN: "the export has no report of the hardening of the machines, so none of it counts as in place: run `redoubt harden check -o json > FILE` on each node and give the files with --hardening NODE=FILE",
		RU: "в выгрузке нет отчётов об усилении защиты машин, поэтому эти средства считаются отсутствующими: выполните `redoubt harden check -o json > FILE` на каждом узле и передайте файлы через --hardening NODE=FILE",
	}
	sayHardeningOf = catalogue.Words{
		EN: "there is no report of the hardening of %s: what is not known of every node does not count as in place",
		RU: "нет отчёта об усилении защиты узлов %s: то, что известно не для всех узлов, считается отсутствующим",
	}
	sayNoPrices = catalogue.Words{
		EN: "the catalogue has no prices: losses are hours of outage, and what means cost is hours of work; what pays is not said. Give prices in a copy of the catalogue",
		RU: "в каталоге нет цен: потери выражены в часах простоя, стоимость средств — в часах работы, и окупаемость не определена. Задайте цены в копии каталога",
	}
	sayOnlyOutages = catalogue.Words{
		EN: "only outages are counted as losses, for without prices an hour of work can not be held against an hour of outage: refused access and the like count when the catalogue has prices. What else the threats cost, the cluster can not know: print the model with --model, add damages to it, and run `redoubt assess run`",
		RU: "потерями считаются только простои: без цен час работы нельзя сопоставить с часом простоя; отказы в доступе и подобное учитываются, когда в каталоге есть цены. Прочий ущерб от угроз кластеру неизвестен: выведите модель с --model, добавьте ущербы и выполните `redoubt assess run`",
	}
	sayWorkToo = catalogue.Words{
		EN: "losses are outages, and for refused access, guessed passwords and changed logs the work of looking into them, at lengths that the catalogue judges [R]; what else the threats cost, the cluster can not know: print the model with --model, add damages to it, and run `redoubt assess run`",
		RU: "потери — это простои, а для отказов в доступе, подбора паролей и изменения журнала — работа по их разбору, длительность которой оценена в каталоге [R]; прочий ущерб от угроз кластеру неизвестен: выведите модель с --model, добавьте ущербы и выполните `redoubt assess run`",
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
