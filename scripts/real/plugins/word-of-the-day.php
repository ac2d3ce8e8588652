<?php
/**
 * Plugin Name: Word of the Day
 * Description: Greets in the admin area with a word that changes daily.
 * Version: 0.9
 * License: MIT
 */

const WORDS_OF_THE_DAY = array( 'Kaffeeklatsch', 'Streuselkuchen', 'Milchschaum' );

add_action( 'admin_notices', fn() => printf( '<p>%s</p>', WORDS_OF_THE_DAY[ gmdate( 'z' ) % 3 ] ) );
